"""What the report of a corpus shows."""
