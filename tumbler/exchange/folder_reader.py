"""What a Hugging Face folder holds beside its weights: tokenizer, licence, the files that belong to the model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tumbler.errors import UserError
from tumbler.exchange.vocabulary import ROLES, Vocabulary
from tumbler.model.safetensors_reader import INDEX, read_json, weight_files
from tumbler.text.tokenizer import Tokenizer

TOKENIZER, TOKENIZER_CONFIG, TOKENS = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"
TEMPLATE, CARD = "chat_template.jinja", "README.md"
BELONGING: Final = (
    "config.json",
    "generation_config.json",
    TOKENIZER,
    TOKENIZER_CONFIG,
    TOKENS,
    TEMPLATE,
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)
LEGAL: Final = ("LICENSE*", "LICENCE*", "NOTICE*", "COPYING*", "USE_POLICY*")
FRONT_MATTER: Final = re.compile(r"\A---\s*\n(.*?)\n---\s*$", re.DOTALL | re.MULTILINE)

LICENCE: Final = re.compile(r"""^(license|license_name):[ \t]*["']?([^\s#"'][^"'\n]*?)["']?[ \t]*$""", re.MULTILINE)


def model_files(folder: Path) -> list[Path]:
    """The files that make the model, no others: no code, no pickles, no weights of other frameworks."""
    weights = weight_files(folder)
    index = [folder / INDEX] if len(weights) > 1 else []
    named = [folder / name for name in BELONGING if (folder / name).is_file()]
    legal = {path for pattern in LEGAL for path in folder.glob(pattern) if path.is_file()}
    return sorted({*named, *index, *weights, *legal, *folder.glob("*.tiktoken")})


def stated_licence(folder: Path) -> str | None:
    """What the front matter of the model card says; the licence's own name where it says "other"."""
    if not (folder / CARD).is_file():
        return None
    found = FRONT_MATTER.match((folder / CARD).read_text(encoding="utf-8", errors="replace"))
    fields = dict(LICENCE.findall(found[1])) if found else {}
    licence = fields.get("license")
    return fields.get("license_name", licence) if licence == "other" else licence


def read_vocabulary(folder: Path) -> Vocabulary:
    """The tokenizer of a model's folder; UserError when it is no byte-level BPE in a tokenizer.json."""
    if not (folder / TOKENIZER).is_file():
        raise UserError(f"{folder}: has no {TOKENIZER}, from which the GGUF file's tokenizer is made")
    found = Tokenizer.load(folder).roles
    roles = {role: found[role] for role in ROLES if role in found}
    return Vocabulary(read_json(folder / TOKENIZER), roles, _template(folder))


def _template(folder: Path) -> str | None:
    """The file of transformers 5, or the entry of transformers 4: a text, or several by name."""
    if (folder / TEMPLATE).is_file():
        return (folder / TEMPLATE).read_text(encoding="utf-8")
    found = read_json(folder / TOKENIZER_CONFIG).get("chat_template") if (folder / TOKENIZER_CONFIG).is_file() else None
    for item in found if isinstance(found, list) else [{"name": "default", "template": found}]:
        match item:
            case {"name": "default", "template": str(template)}:
                return template
    return None
