"""Who the model is: the recipe's `[identity]` table, read by sft (teaches it) and eval (asks for it)."""

from __future__ import annotations

from tumbler.recipe import Settings


class Identity(Settings):
    """What the chat model says of itself."""

    name: str
    """The model's name."""
    maker: str
    """Who made it."""
    date: str
    """When it was made, as it should say it, such as "November 2026"."""
    cutoff: str
    """Up to when its knowledge reaches, as it should say it."""
    about: str = "a small language model"
    """What it is, in a few words after "I am NAME, "."""
