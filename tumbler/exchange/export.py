"""A model's Hugging Face folder -> one GGUF file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from gguf import GGML_QUANT_VERSION, GGMLQuantizationType
from torch import Tensor

from tumbler.errors import UserError
from tumbler.exchange import hyperparameters, vocabulary
from tumbler.exchange.folder_reader import read_vocabulary, stated_licence
from tumbler.exchange.gguf_writer import FILE_TYPES, Entry, FileType, write_gguf
from tumbler.exchange.names import Place, places
from tumbler.model import ModelConfig, Transformer
from tumbler.model.families.family import Part
from tumbler.model.families.table import parts
from tumbler.model.safetensors_reader import Stored
from tumbler.model.weights import open_model
from tumbler.recipe import nearest

Read = Callable[[], Tensor]
PLAIN: Final = (GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.BF16)


def export_gguf(folder: Path, path: Path, type_name: str) -> None:
    """Write the model of `folder` to `path`, its matrices as FILE_TYPES[type_name]; equal folders, equal bytes.

    Raises UserError for a model, or a tokenizer, that llama.cpp would not run as we do.
    """
    if type_name not in FILE_TYPES:
        raise UserError(
            f"export: no type {type_name!r}{nearest(type_name, FILE_TYPES)}; one of {', '.join(FILE_TYPES)}"
        )
    file_type = FILE_TYPES[type_name]
    with open_model(folder) as (model, stored):
        config = model.config
        numbers = hyperparameters.to_gguf(config, str(folder / "config.json"))
        words = vocabulary.to_gguf(read_vocabulary(folder), config.vocab_size, str(folder / "tokenizer.json"))
        entries = list(_entries(model, _readers(config, stored), file_type))
        write_gguf(path, config.family, _general(folder, file_type, entries) | numbers | words, entries)


def _readers(config: ModelConfig, stored: Mapping[str, Stored]) -> dict[str, Read]:
    """How to read each of our parameters, by its name."""
    return {
        name: partial(_part, part, name, stored[part.theirs])
        for part in parts(config)
        if part.theirs in stored
        for name in part.ours
    }


def _entries(model: Transformer, readers: Mapping[str, Read], file_type: FileType) -> Iterator[Entry]:
    """All tensors of the file, none of them read yet."""
    parameters = dict(model.named_parameters())
    output = "token_embd.weight" if model.config.tie_word_embeddings else "output.weight"
    for place in places(model.config, parameters):
        pieces = [parameters[name] for name in place.ours]
        shape = (sum(piece.shape[0] for piece in pieces), *pieces[0].shape[1:])
        kind = file_type.of(place.name, shape, output)
        yield Entry(place.name, shape, kind, partial(_joined, place, [readers[name] for name in place.ours]))
    if (factors := hyperparameters.rope_factors(model.config)) is not None:
        yield Entry(hyperparameters.ROPE_FACTORS, tuple(factors.shape), GGMLQuantizationType.F32, lambda: factors)


def _part(part: Part, name: str, stored: Stored) -> Tensor:
    return part.split(stored.tensor())[name]


def _joined(place: Place, readers: list[Read]) -> Tensor:
    return place.join([read() for read in readers])


def _general(folder: Path, file_type: FileType, entries: list[Entry]) -> dict[str, Any]:
    licence = stated_licence(folder)
    quantized = any(entry.kind not in PLAIN for entry in entries)
    return {
        "general.type": "model",
        "general.name": folder.resolve().name,
        **({"general.license": licence} if licence else {}),
        "general.file_type": int(file_type.code),
        **({"general.quantization_version": GGML_QUANT_VERSION} if quantized else {}),
    }
