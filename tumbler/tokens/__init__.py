"""Documents -> a tokenizer and token shards."""
