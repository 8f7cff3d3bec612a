"""The model card of an imported model: what it is, where it is from, on which terms. No times."""

from __future__ import annotations

from tumbler.model import ModelConfig, parameters

TEMPLATE = """\
---
library_name: transformers
pipeline_tag: {task}
{licence}tags: [tumbler, {family}]
---

# {name}

{origin} `manifest.json` holds the digest of what came in.

| | |
|---|---|
{rows}

## Terms

{terms}

## Use

`tumbler {verb} path/to/this/folder "{prompt}"`, or with transformers, vLLM and other tools that read such folders.
"""


def model_card(config: ModelConfig, name: str, origin: str, licence: str | None) -> str:
    """Markdown for README.md; `origin`: a sentence on where the model is from."""
    table = {
        "architecture": config.family,
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "heads": f"{config.num_attention_heads} ({config.num_key_value_heads} for keys and values)",
        "context": f"{config.max_position_embeddings:,} tokens",
        "vocabulary": f"{config.vocab_size:,} tokens",
        "parameters": f"{parameters(config):,}",
    }
    return TEMPLATE.format(
        task="text-generation" if config.causal else "fill-mask",
        licence=f"license: {licence}\n" if licence else "",
        family=config.family,
        name=name,
        origin=origin,
        rows="\n".join(f"| {key} | {value} |" for key, value in table.items()),
        terms=f"Licence as its source states it: {licence}." if licence else "The source states no licence.",
        verb="generate" if config.causal else "fill-mask",
        prompt="Once upon a time" if config.causal else "Paris is the <mask> of France.",
    )
