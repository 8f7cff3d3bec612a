"""corpus: pages -> documents, by the published rules, each drop with its reason."""
