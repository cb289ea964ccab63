"""Containers of others as ``resolver``: one module each, with the package that it needs as an extra of the same name."""
