"""A model's Hugging Face folder, in and out.

A folder from outside is untrusted: sizes are checked against the files' headers before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from tumbler.errors import UserError
from tumbler.model.config import ModelConfig
from tumbler.model.families.table import FAMILIES, canonical, from_hf, parts, to_family, to_hf
from tumbler.model.quantized import INTEGERS, check_description, dequantized
from tumbler.model.safetensors_reader import Stored, open_weights, read_json
from tumbler.model.safetensors_writer import write_json, write_weights
from tumbler.model.transformer import Transformer

CONFIG, GENERATION = "config.json", "generation_config.json"
SHARD_BYTES: Final = 5 * 10**9
"""Of a file of weights, at most; Hugging Face's own limit for years."""


def save_model(
    model: Transformer,
    folder: Path,
    dtype: torch.dtype,
    temperature: float | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write config.json, generation_config.json and the weights: what transformers, vLLM, llama.cpp read.

    `temperature` is the one that servers take where a request names none.
    """
    config = model.config
    described = to_hf(config, str(dtype).removeprefix("torch."))
    write_json(folder / CONFIG, described)
    if config.causal:
        tokens = {name: described[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        recommended = {} if temperature is None else {"do_sample": True, "temperature": temperature}
        write_json(folder / GENERATION, {**tokens, **recommended})
    write_weights(folder, to_family(config, dict(model.named_parameters())), dtype, shard_bytes)


def load_model(folder: Path, dtype: torch.dtype = torch.float32) -> Transformer:
    """A Transformer from a Hugging Face folder, in `dtype`, on the CPU; UserError when the folder is no such model."""
    with open_model(folder) as (model, stored):
        model = model.to(dtype).to_empty(device="cpu")
        _fill(model, stored)
    return model


def read_config(folder: Path) -> ModelConfig:
    """The sizes of the model of a Hugging Face folder; UserError when its config.json is none that tumbler runs."""
    return _described(folder)[0]


def _described(folder: Path) -> tuple[ModelConfig, bool]:
    """The sizes, and whether the weights are quantized."""
    file = folder / CONFIG
    raw = read_json(file)
    scheme = raw.pop("quantization_config", None)
    if scheme is not None:
        check_description(scheme, str(file))
    return from_hf(raw, str(file)), scheme is not None


@contextmanager
def open_model(folder: Path) -> Iterator[tuple[Transformer, Mapping[str, Stored]]]:
    """The model of a folder, without memory for its weights (on the meta device), and these by their names in the
    family: all there, of the shapes that config.json asks for, not read yet. UserError as in `load_model`."""
    config, quantized = _described(folder)
    with torch.device("meta"):
        model = Transformer(config)
    with open_weights(folder, INTEGERS if quantized else ()) as files:
        plain = dequantized(files) if quantized else files
        stored = {canonical(config, name): tensor for name, tensor in plain.items()}
        _check_tensors(folder, config, stored, to_family(config, dict(model.named_parameters())))
        yield model, stored


@torch.no_grad()
def _fill(model: Transformer, stored: Mapping[str, Stored]) -> None:
    """Copied, not mapped: a mapped tensor's alignment, hence the order of its sums, can differ between runs."""
    parameters = dict(model.named_parameters())
    for part in parts(model.config):
        if part.ours[0] in parameters:
            for name, piece in part.split(stored[part.theirs].tensor()).items():
                parameters[name].copy_(piece)


def _check_tensors(
    folder: Path, config: ModelConfig, stored: Mapping[str, Stored], wanted: Mapping[str, Tensor]
) -> None:
    for name, tensor in wanted.items():
        if name not in stored:
            raise UserError(f"{folder}: tensor {name!r} is missing; config.json asks for it")
        if tensor.shape != stored[name].shape:
            shape, want = list(stored[name].shape), list(tensor.shape)
            raise UserError(f"{stored[name].file}: tensor {name!r} has shape {shape}, config.json asks for {want}")
    family = FAMILIES[config.family]
    for name in sorted(set(stored) - set(wanted)):
        if name == family.output and config.tie_word_embeddings:
            _check_tied(config, stored[name], stored)
        elif not name.endswith(family.buffers):
            raise UserError(f"{stored[name].file}: tensor {name!r} has no place in the model of config.json")


def _check_tied(config: ModelConfig, head: Stored, stored: Mapping[str, Stored]) -> None:
    """A tied head may be stored a second time, but not be another matrix."""
    name = next(part.theirs for part in parts(config) if part.ours == ("model.embed_tokens.weight",))
    if head.shape != stored[name].shape or not torch.equal(head.tensor(), stored[name].tensor()):
        rule = "set tie_word_embeddings to false if the model has two"
        raise UserError(f"{head.file}: {head.name!r} is not {name!r}, though config.json ties them; {rule}")
