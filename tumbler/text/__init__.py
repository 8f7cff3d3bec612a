"""Text: documents, conversations, the tokenizer, and how a conversation becomes token ids."""
