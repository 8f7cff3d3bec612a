"""Models in and out: Hugging Face folders and GGUF files."""
