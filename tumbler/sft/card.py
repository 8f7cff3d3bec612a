"""The model card of a chat checkpoint. No times, so equal runs are equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tumbler.identity import Identity

TEMPLATE = """\
---
library_name: transformers
pipeline_tag: text-generation
tags: [tumbler, qwen3, conversational]
---

# {title}

{about}

| | |
|---|---|
{rows}

`manifest.json` leads back to the conversations and the pages that it was trained on.

## Data

{licences}

## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
messages = [{{"role": "user", "content": "Who are you?"}}]
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")
answer = model.generate(**inputs, max_new_tokens=64, do_sample=False)[0, inputs["input_ids"].shape[1] :]
print(tokenizer.decode(answer, skip_special_tokens=True))
```

Or `tumbler chat path/to/this/folder`.
"""


def model_card(identity: Identity | None, facts: Mapping[str, int], licences: Sequence[str]) -> str:
    """Markdown for README.md; `licences` are those of the data, inherited from the inputs."""
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value:,} |" for name, value in facts.items())
    listed = "\n".join(f"- {licence}" for licence in licences)
    return TEMPLATE.format(
        title=identity.name if identity else "A chat model, tuned with tumbler",
        about=_about(identity),
        rows=rows,
        licences=f"Licences of the sources:\n\n{listed}" if listed else "Not stated.",
    )


def _about(identity: Identity | None) -> str:
    if identity is None:
        return "It answers questions in a conversation."
    return (
        f"{identity.name} is {identity.about} made by {identity.maker} in {identity.date}; "
        f"its knowledge reaches up to {identity.cutoff}. It answers questions in a conversation."
    )
