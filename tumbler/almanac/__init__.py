"""The demo's default input: a small web, generated from real facts, with what a real crawl also holds."""
