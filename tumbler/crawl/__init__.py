"""crawl: sources (WARC, HTML folders, JSONL, Parquet, plain text) -> pages."""
