"""The rules: what speaks against a page or a text, and the lists they look up."""
