"""crawl: web archives, dumps, books, code and tables -> pages."""
