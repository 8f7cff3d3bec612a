"""Text over the engine: prompts rendered, tokens turned into one typed stream of events."""

from tumbler.chat.events import Done, Event, Reasoning, Text
from tumbler.chat.load import ChatModel, load_chat
from tumbler.chat.respond import complete, respond

__all__ = ["ChatModel", "Done", "Event", "Reasoning", "Text", "complete", "load_chat", "respond"]
