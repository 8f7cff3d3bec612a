"""The settings of the pretrain stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tumbler.model import FamilyName
from tumbler.train.dials import TrainDials


class PretrainSettings(TrainDials):
    """The model's sizes, and how it is trained. What is none is derived from `depth` (docs/pretraining.md)."""

    family: FamilyName = "qwen3"
    """Architecture: qwen3, llama, gpt2 (predict the next token) or modernbert (predict masked tokens)."""
    depth: int = Field(default=4, gt=0)
    """Layers. The one dial: width is 64 a layer, heads one a layer, unless given below."""
    width: int | None = Field(default=None, gt=0)
    """Width of the residual stream; none: 64 * depth."""
    heads: int | None = Field(default=None, gt=0)
    """Attention heads; none: one per 64 of width (two of 32 where the width is 64)."""
    kv_heads: int | None = Field(default=None, gt=0)
    """Heads of keys and values, shared by groups of query heads; none: half as many, from 4 heads on."""
    mlp: int | None = Field(default=None, gt=0)
    """Width inside the MLP; none: the family's multiple of the width (3 for qwen3)."""
    tied: bool | None = None
    """Whether embedding and output share one matrix; none: as the family does."""
    context: int = Field(default=256, gt=1)
    """Tokens of a row: the longest text that the model can read."""
    rows: int | None = Field(default=None, gt=0)  # type: ignore[assignment]
    """Rows of a batch, each as long as the model's context; none: from the tokens in all."""
    steps: int | None = Field(default=None, gt=0)
    """Optimizer steps; none: as many as `tokens_per_parameter` asks for."""
    tokens_per_parameter: float = Field(default=20.0, gt=0)
    """Training tokens for each parameter of the matrices and the head, where `steps` is none: 20 is Chinchilla's
    (arXiv 2203.15556, table 3)."""
    document_tokens: int | None = Field(default=None, gt=1)
    """So many tokens of each document, from its begin; none: all. Where a run reads less than there is, more documents
    teach more than longer ones (docs/performance.md)."""
    weights: dict[str, float] = Field(default_factory=dict)
    """How often rows come from each tokens input, by its step's name; none: by how many tokens each holds."""
    mask_share: float = Field(default=0.3, gt=0, lt=1)
    """Of the tokens that a masked model is to name in training (arXiv 2202.08005; ModernBERT's)."""
    eval_mask_share: float = Field(default=0.15, gt=0, lt=1)
    """The same in validation (BERT's)."""
    embedding_rate: float | None = Field(default=None, gt=0)
    """Full learning rate of an embedding that is not the head as well; none: 0.5 for a new qwen3 or llama, else
    other_rate."""
    eval_every: int = Field(default=100, gt=0)
    """Steps between two looks at the validation documents."""
    eval_tokens: int = Field(default=65_536, gt=0)
    """About how many tokens of validation documents are looked at."""
    sample_every: int = Field(default=100, gt=0)
    """Steps between two rounds of sample completions."""
    sample_tokens: int = Field(default=32, gt=0)
    """Tokens of a sample completion, at most."""
    prompts: tuple[str, ...] = ("The", "The capital of France is")
    """What the samples complete. A masked model fills each <|mask|> in them, or one at their end."""
    watch: tuple[str, str] | None = None
    """A text and what follows it: the probability of that next token is logged at each line of metrics."""
    core: str | None = None
    """A bundle of the CORE tasks (DCLM's eval_bundle.zip, or a folder): asked when the validation is looked at."""
    core_examples: int = Field(default=100, gt=0)
    """Examples of each CORE task, at most."""
    core_every: int | None = Field(default=None, gt=0)
    """Steps between two rounds of CORE; none: at the end only."""
    keep: Literal["last", "best"] = "last"
    """Which weights become the artifact's: the last, or those of the best look at the validation documents."""
    keep_every: int | None = Field(default=None, gt=0)
    """Steps between two checkpoints that stay, as model folders, in checkpoints/; none: none stays."""
    seed: int = 0
    """First weights, order of the documents, masks."""
