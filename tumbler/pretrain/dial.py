"""The dial: what `depth` says of sizes, batch, steps and rates where a recipe leaves them open. Pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from tumbler.model import ModelConfig, embedding_is_wide, parameters, sizes
from tumbler.pretrain.settings import PretrainSettings
from tumbler.text.tokenizer import Tokenizer
from tumbler.train.optimizers import LearningRates

BATCH_FACTOR: Final = 0.0306 * 2048
BATCH_EXPONENT: Final = 0.383
"""The best batch, in tokens, is FACTOR * (training tokens) ** EXPONENT: "Power Lines" (arXiv 2505.13738, section 4;
there in sequences of 2,048)."""
EMBEDDING_RATE: Final = 0.5
"""Of an embedding that begins with deviation 1 (model/init.py): AdamW moves a number by about its rate."""


@dataclass(frozen=True)
class Budget:
    """How much is trained on."""

    rows: int
    """Of a batch."""
    steps: int
    tokens: int
    """In all."""


def model_config(settings: PretrainSettings, vocab_size: int) -> ModelConfig:
    """The sizes of a new model; UserError for sizes that do not fit together."""
    overrides = {name: getattr(settings, name) for name in ("width", "heads", "kv_heads", "mlp")}
    config = sizes(settings.depth, vocab_size, settings.context, family=settings.family, **overrides)
    return config if settings.tied is None else replace(config, tie_word_embeddings=settings.tied)


def with_tokens(config: ModelConfig, tokenizer: Tokenizer) -> ModelConfig:
    """The config that names the tokenizer's begin, end and padding, as far as it has them."""
    roles = tokenizer.roles
    return replace(config, bos_token_id=roles.get("bos"), eos_token_id=tokenizer.end, pad_token_id=roles.get("pad"))


def budget(settings: PretrainSettings, config: ModelConfig) -> Budget:
    """Rows and steps: as given, else from the parameters that take part in products (blocks and head)."""
    rows, steps = settings.rows, settings.steps
    if steps is None:
        tokens = settings.tokens_per_parameter * scaling_parameters(config)
        rows = rows or _power_of_two(BATCH_FACTOR * tokens**BATCH_EXPONENT / settings.context)
        steps = max(1, math.ceil(tokens / (rows * settings.context)))
    elif rows is None:
        # tokens = steps * batch in the power law, solved for the batch.
        batch = (BATCH_FACTOR * steps**BATCH_EXPONENT) ** (1 / (1 - BATCH_EXPONENT))
        rows = _power_of_two(batch / settings.context)
    return Budget(rows, steps, rows * steps * settings.context)


def learning_rates(settings: PretrainSettings, config: ModelConfig, new: bool) -> LearningRates:
    """As given; else an embedding of its own has a rate that suits its first weights, if they are `new`."""
    rates = settings.rates
    wide = new and rates.embedding is None and embedding_is_wide(config)
    return replace(rates, embedding=EMBEDDING_RATE) if wide else rates


def scaling_parameters(config: ModelConfig) -> int:
    """Parameters of the blocks and the head: what scaling laws count (an embedding is a look-up)."""
    embedding = config.vocab_size * config.hidden_size
    positions = config.max_position_embeddings * config.hidden_size if config.positions == "learned" else 0
    return parameters(config) - positions - (0 if config.tie_word_embeddings else embedding)


def _power_of_two(value: float) -> int:
    return 1 << max(0, round(math.log2(value)))
