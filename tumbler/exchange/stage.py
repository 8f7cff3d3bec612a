"""Models from outside -> checkpoints: `tumbler import`. The model is whole and of one piece, or it does not come in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

import torch
from torch import Tensor

from tumbler.artifact import Outcome, Work
from tumbler.errors import UserError
from tumbler.exchange import vocabulary
from tumbler.exchange.card import model_card
from tumbler.exchange.folder_reader import (
    CARD,
    TEMPLATE,
    TOKENIZER,
    TOKENIZER_CONFIG,
    TOKENS,
    model_files,
    stated_licence,
)
from tumbler.exchange.gguf_reader import GgufFile, read_model
from tumbler.exchange.vocabulary import Vocabulary
from tumbler.model import ModelConfig, parameters, save_model
from tumbler.model.quantized import Scheme, description, group_of
from tumbler.model.quantized import quantize as quantize_weight
from tumbler.model.safetensors_reader import Stored, read_json
from tumbler.model.safetensors_writer import write_json, write_weights
from tumbler.model.weights import CONFIG, SHARD_BYTES, open_model
from tumbler.recipe import Settings
from tumbler.text.roles import KEYS
from tumbler.text.tokenizer import Tokenizer

SOURCE_CARD: Final = "README.source.md"
"""What the model card of a Hugging Face folder becomes: the folder gets a card of its own."""
DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class HuggingFaceSettings(Settings):
    """There is nothing to set: the model's files are taken as they are."""


class GgufSettings(Settings):
    """How the model of a GGUF file is kept."""

    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the weights; float32 holds exactly what every kind of quantized block stands for, the others half of it."""


def import_hugging_face(settings: HuggingFaceSettings, work: Work) -> Outcome:
    """The files of a Hugging Face folder, byte for byte, once they prove to be a model."""
    (source,) = (item.path for item in work.inputs)
    if not source.is_dir():
        raise UserError(f"{source}: no such folder; give the folder of a model, with its config.json")
    _checked(source)
    names = {path: path.name for path in model_files(source)}
    if (source / CARD).is_file():
        names[source / CARD] = SOURCE_CARD
    for path, name in names.items():
        if not work.has(name):
            with work.file(name) as file:
                shutil.copyfile(path, file)
    origin = f"The files of the Hugging Face folder `{source.resolve().name}`, unchanged."
    return _finish(work, source.resolve().name, origin, stated_licence(source))


def import_gguf(settings: GgufSettings, work: Work) -> Outcome:
    """The model of a GGUF file as a Hugging Face folder, dequantized."""
    (source,) = (item.path for item in work.inputs)
    file = GgufFile(source)
    words = vocabulary.from_gguf(file.metadata, str(source))
    model = read_model(file, words.roles)
    save_model(model, work.path, DTYPES[settings.dtype])
    _write_tokenizer(work, words, model.config.max_position_embeddings)
    kinds = sorted({tensor.type.name for tensor in file.tensors.values()})
    origin = f"Made from the GGUF file `{source.name}` ({', '.join(kinds)}), dequantized to {settings.dtype}."
    name, licence = (_line(file.metadata.get(key)) for key in ("general.name", "general.license"))
    return _finish(work, name or source.stem, origin, licence)


class QuantizeSettings(Settings):
    """To what the matrices of the blocks are quantized; embedding, output and norms stay as they are."""

    scheme: Literal["int8", "int4"] = "int8"
    """int8: 8-bit weights and rows; int4: 4-bit weights in groups of 128, 64 or 32."""


def quantize(settings: QuantizeSettings, work: Work) -> Outcome:
    """A model folder with quantized weights, in compressed-tensors' layout, for transformers, vLLM and tumbler."""
    (source,) = (item.path for item in work.inputs)
    if not source.is_dir():
        raise UserError(f"{source}: no such folder; give the folder of a model, with its config.json")
    raw = read_json(source / CONFIG)
    if "quantization_config" in raw:
        raise UserError(f"{source}: is quantized already; give the model it was made from")
    with open_model(source) as (model, stored):
        if model.config.family not in ("llama", "qwen3"):
            raise UserError(f"{source}: a {model.config.family} model; llama and qwen3 can be quantized")
        made = _quantized(stored, settings.scheme)
        write_weights(work.path, made.tensors, None, SHARD_BYTES)
    write_json(work.path / CONFIG, {**raw, "quantization_config": made.description})
    for path in model_files(source):
        if path.name != CONFIG and not path.name.startswith("model"):
            with work.file(path.name) as file:
                shutil.copyfile(path, file)
    origin = f"The model of the folder `{source.resolve().name}`, its blocks quantized to {settings.scheme}."
    return _finish(work, source.resolve().name, origin, stated_licence(source))


class _Made(NamedTuple):
    tensors: dict[str, Tensor]
    description: dict[str, object]


def _quantized(stored: Mapping[str, Stored], scheme: Scheme) -> _Made:
    """All tensors of a model, those of its blocks' matrices quantized."""
    matrices = [name for name, tensor in stored.items() if len(tensor.shape) == 2 and ".layers." in name]
    group = group_of([stored[name].shape[1] for name in matrices]) if scheme == "int4" else 0
    made: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name not in matrices:
            made[name] = tensor.tensor()
            continue
        parts = quantize_weight(tensor.tensor(), scheme, group)
        made |= {name.removesuffix("weight") + key: part for key, part in parts.items()}
    return _Made(made, description(scheme, group, ["lm_head"]))


def _line(value: object) -> str | None:
    """A text from outside as one line, so that it stays within its line of the card."""
    return " ".join(value.split())[:100] or None if isinstance(value, str) else None


def _write_tokenizer(work: Work, words: Vocabulary, context: int) -> None:
    """What transformers reads, version 4 and 5 alike."""
    names = words.names()
    marks = {key: names[words.roles[role]] for role, key in KEYS.items() if role in words.roles}
    template = {} if words.chat_template is None else {"chat_template": words.chat_template}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **marks,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        **template,
    }
    for name, body in ((TOKENIZER, words.tokenizer), (TOKENIZER_CONFIG, config), (TOKENS, marks)):
        with work.file(name) as file:
            file.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if words.chat_template is not None:
        with work.file(TEMPLATE) as file:
            file.write_text(words.chat_template, encoding="utf-8")


def _finish(work: Work, name: str, origin: str, licence: str | None) -> Outcome:
    """Check the folder as it lies there now, and write its card."""
    config = _checked(work.path)
    with work.file(CARD) as file:
        file.write_text(model_card(config, name, origin, licence), encoding="utf-8")
    facts = {"parameters": parameters(config), "family": config.family}
    return Outcome("checkpoint", facts, (licence,) if licence else ())


def _checked(folder: Path) -> ModelConfig:
    """The model of the folder; UserError unless weights and tokenizer are there, sound, and belong together."""
    with open_model(folder) as (model, _):
        config = model.config
    ids = Tokenizer.load(folder).vocab_size
    if ids > config.vocab_size:
        told = f"the tokenizer has ids up to {ids - 1}, the model {config.vocab_size} rows"
        raise UserError(f"{folder}: {told}; they do not belong together")
    return config
