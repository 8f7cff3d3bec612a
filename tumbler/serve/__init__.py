"""A checkpoint behind OpenAI's HTTP API, and a plain chat page."""
