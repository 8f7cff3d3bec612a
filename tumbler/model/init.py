"""How the weights of a new model begin, by family. Norms begin as 1 and biases as 0 in all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor, nn

from tumbler.model.config import FamilyName, ModelConfig
from tumbler.model.transformer import Transformer

STD: Final = 0.02
"""GPT-2's, Qwen's and ModernBERT's `initializer_range`; with a tied head the first logits have deviation
0.02 * sqrt(D)."""
POSITION_STD: Final = 0.01
"""Of GPT-2's `wpe` (openai/gpt-2, src/model.py)."""
CUT: Final = 2.0
"""ModernBERT draws no weight further than so many deviations from 0 (its `initializer_cutoff_factor`)."""
EMBEDDINGS: Final = ("embed_tokens.weight", "lm_head.weight")
INTO_RESIDUAL: Final = ("o_proj.weight", "down_proj.weight")
"""Matrices whose products are added to the residual stream."""

LOOKED_UP_STD: Final = 1.0
"""Of an embedding that is not the head as well: the size that norms give the stream (benchmarks/quality.py: with its
own rate, 0.07 bits a byte better after four minutes than 0.02)."""

Start = Callable[[str, Tensor, ModelConfig, torch.Generator], Tensor]
"""(name, an empty matrix, the model's sizes, random numbers) -> the matrix, filled."""


@torch.no_grad()
def init_weights(model: Transformer, seed: int) -> None:
    """Initialize the full model: equal seeds give equal weights."""
    generator = torch.Generator().manual_seed(seed)
    start = STARTS[model.config.family]
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
        else:
            parameter.copy_(start(name, torch.empty(parameter.shape), model.config, generator))


def identity_start(name: str, matrix: Tensor, config: ModelConfig, generator: torch.Generator) -> Tensor:
    """Blocks that begin as the identity: what they add is 0; others uniform of deviation 1 / sqrt(fan-in)."""
    if name.endswith(EMBEDDINGS):
        looked_up = name.endswith(EMBEDDINGS[0]) and embedding_is_wide(config)
        return matrix.normal_(0, LOOKED_UP_STD if looked_up else STD, generator=generator)
    if name.endswith(INTO_RESIDUAL):
        return matrix.zero_()
    bound = (3 / matrix.shape[1]) ** 0.5
    return matrix.uniform_(-bound, bound, generator=generator)


def gpt2_start(name: str, matrix: Tensor, config: ModelConfig, generator: torch.Generator) -> Tensor:
    """The paper's: normal, what enters the residual stream smaller by the root of the number of such matrices."""
    std = POSITION_STD if name.endswith("embed_positions.weight") else _std(name, config, INTO_RESIDUAL)
    return matrix.normal_(0, std, generator=generator)


def modernbert_start(name: str, matrix: Tensor, config: ModelConfig, generator: torch.Generator) -> Tensor:
    """As transformers' ModernBertPreTrainedModel begins (Megatron's rule, cut off at 2 deviations)."""
    std = _std(name, config, (*INTO_RESIDUAL, "head.dense.weight", "lm_head.weight"))
    return nn.init.trunc_normal_(matrix, 0, std, -CUT * std, CUT * std, generator=generator)


def _std(name: str, config: ModelConfig, smaller: tuple[str, ...]) -> float:
    return STD / (2 * config.num_hidden_layers) ** 0.5 if name.endswith(smaller) else STD


STARTS: Final[Mapping[FamilyName, Start]] = {
    "qwen3": identity_start,
    "llama": identity_start,
    "gpt2": gpt2_start,
    "modernbert": modernbert_start,
}


def embedding_is_wide(config: ModelConfig) -> bool:
    """Whether a new model's embedding begins with LOOKED_UP_STD: it needs a rate of its own to match."""
    return STARTS[config.family] is identity_start and not config.tie_word_embeddings
