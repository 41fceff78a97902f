"""The seams: what one kind of component must offer. The docstrings are the contracts."""
