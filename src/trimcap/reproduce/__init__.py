"""What published systems do differently from what is right, one small function each.

The core of the package knows only what is right. These functions emulate what was published (its counts, its slips),
so that printed numbers can be reproduced and the effect of every slip can be measured. Only recipes and studies use
them. Sources are the released programs and the tables of the papers that each function names.

What most functions take and return is said here; their docstrings say what is their own.

Parameters
----------
network : traced network; not changed
sparsity : p, fraction removed, 0 ≤ p < 1
plan : for this network
batch_size : windows at once

Returns
-------
Plan : for `shrink`
"""
