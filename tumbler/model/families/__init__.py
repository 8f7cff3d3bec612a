"""One file a family: what really differs. The table of them is in table.py."""
