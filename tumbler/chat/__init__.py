"""Text over the engine: prompts rendered, tokens turned into one typed stream of events."""

from tumbler.chat.events import Done, Event, Reasoning, Text
from tumbler.chat.load import ChatModel, Fit, load_chat
from tumbler.chat.respond import complete, respond
from tumbler.chat.structured import Structures
from tumbler.chat.structures import Choice, JsonObject, JsonSchema, Lark, Regex, Structure

__all__ = [
    "ChatModel",
    "Choice",
    "Done",
    "Event",
    "Fit",
    "JsonObject",
    "JsonSchema",
    "Lark",
    "Reasoning",
    "Regex",
    "Structure",
    "Structures",
    "Text",
    "complete",
    "load_chat",
    "respond",
]
