"""What published systems do differently from what is right, one small function each.

The core of the package knows only what is right. These functions emulate what was published (its counts, its slips),
so that printed numbers can be reproduced and the effect of every slip can be measured. Only recipes and studies use
them. Sources are the released programs and the tables of the papers that each function names.
"""
