"""Conversations -> chat checkpoint: supervised fine-tuning with a loss on the assistant's tokens only."""
