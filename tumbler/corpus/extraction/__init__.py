"""HTML -> the text of its main content."""
