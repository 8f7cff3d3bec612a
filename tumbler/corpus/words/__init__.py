"""A text as words, as spaCy splits them."""
