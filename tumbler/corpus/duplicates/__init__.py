"""Copies and near copies of a text, found over all shards."""
