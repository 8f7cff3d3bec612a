"""Text over the engine: prompts rendered, tokens turned into one typed stream of events."""

from tumbler.chat.events import Done, Event, Text
from tumbler.chat.load import load_chat
from tumbler.chat.respond import complete, respond

__all__ = ["Done", "Event", "Text", "complete", "load_chat", "respond"]
