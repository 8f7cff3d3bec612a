"""Checkpoints -> report: what the models know, who the chat model says it is, and how they came to be."""
