"""The model card: what a person who finds this folder needs to know. No times, so equal runs are equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from tumbler.model import ModelConfig

TEMPLATE = """\
---
library_name: transformers
pipeline_tag: text-generation
tags: [tumbler, qwen3]
---

# A base model, pretrained with tumbler

It continues text; it was not taught to converse.

| | |
|---|---|
{rows}

Validation figures are over held-out documents of the same corpus: mean loss in nats a token, and bits a byte
of UTF-8 text. `manifest.json` leads back to the pages it was trained on.

## Data

{licences}

## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
ids = tokenizer("Once upon a time", return_tensors="pt").input_ids
print(tokenizer.decode(model.generate(ids, max_new_tokens=40)[0]))
```

Or `tumbler generate path/to/this/folder "Once upon a time"`.
"""


def model_card(config: ModelConfig, facts: Mapping[str, JsonValue], licences: Sequence[str]) -> str:
    """Markdown for README.md; `licences` are those of the data, inherited from the inputs."""
    shape = (
        f"{config.num_hidden_layers} layers of {config.hidden_size}, {config.num_attention_heads} heads "
        f"({config.num_key_value_heads} for keys and values), MLP of {config.intermediate_size}"
    )
    table = {
        "architecture": "Qwen3 (RMSNorm, RoPE, grouped queries, QK-norm, SwiGLU)",
        "shape": shape,
        "context": f"{config.max_position_embeddings} tokens",
        "vocabulary": f"{config.vocab_size:,} tokens (byte-level BPE)",
        **{name: f"{value:,}" if isinstance(value, int) else str(value) for name, value in facts.items()},
    }
    rows = "\n".join(f"| {name} | {value} |" for name, value in table.items())
    listed = "\n".join(f"- {licence}" for licence in licences)
    return TEMPLATE.format(rows=rows, licences=f"Licences of the sources:\n\n{listed}" if listed else "Not stated.")
