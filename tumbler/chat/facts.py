"""What `/show` tells of a model. Pure."""

from __future__ import annotations

from tumbler.chat.settings import Settings, listed
from tumbler.model import ModelConfig, parameters


def of_model(name: str, config: ModelConfig) -> list[tuple[str, str]]:
    return [
        ("model", f"{name}, {config.family}, {parameters(config):,} parameters"),
        (
            "sizes",
            f"{config.num_hidden_layers} layers of {config.hidden_size}, {config.num_attention_heads} heads, "
            f"vocabulary {config.vocab_size:,}",
        ),
    ]


def of_context(used: int, context: int) -> tuple[str, str]:
    return "context", f"{used:,} of {context:,} tokens used, {used / context:.0%}"


def of_settings(settings: Settings, names: tuple[str, ...]) -> tuple[str, str]:
    return "settings", listed(settings, names)
