"""Any `nn.Module`, followed once and written down as a Network."""
