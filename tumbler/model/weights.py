"""Weights: how they begin, and the Hugging Face folder they are kept in.

A folder from outside is untrusted: sizes are checked against the file's header before anything is
allocated, and nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tumbler.artifact import replacing
from tumbler.errors import UserError
from tumbler.model.config import from_hf, to_hf
from tumbler.model.transformer import Transformer

CONFIG, WEIGHTS, GENERATION = "config.json", "model.safetensors", "generation_config.json"
EMBEDDING_STD: Final = 0.02
"""GPT-2's and Qwen's `initializer_range`; with a tied head the first logits have deviation 0.02 * sqrt(D)."""


@torch.no_grad()
def init_weights(model: Transformer, seed: int) -> None:
    """Initialize the full model, in this one function.

    norms                       1
    embedding, head             normal, 0.02
    o_proj, down_proj           0, so that each block begins as the identity
    all other matrices          uniform of deviation 1 / sqrt(fan-in)
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            parameter.fill_(1.0)
        elif name.endswith(("embed_tokens.weight", "lm_head.weight")):
            parameter.copy_(torch.empty(parameter.shape).normal_(0, EMBEDDING_STD, generator=generator))
        elif name.endswith(("o_proj.weight", "down_proj.weight")):
            parameter.fill_(0.0)
        else:
            bound = (3 / parameter.shape[1]) ** 0.5
            parameter.copy_(torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator))


def save_model(model: Transformer, folder: Path, dtype: torch.dtype, temperature: float | None = None) -> None:
    """Write config.json, model.safetensors and generation_config.json: what transformers, vLLM, llama.cpp read.

    `temperature` is the one that servers take where a request names none.
    """
    config = model.config
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()}
    tokens = {"bos_token_id": config.bos_token_id, "eos_token_id": config.eos_token_id}
    _write_json(folder / CONFIG, to_hf(config, str(dtype).removeprefix("torch.")))
    recommended = {} if temperature is None else {"do_sample": True, "temperature": temperature}
    _write_json(folder / GENERATION, {**tokens, "pad_token_id": config.pad_token_id, **recommended})
    with replacing(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})


def recommended_temperature(folder: Path) -> float:
    """The temperature of the folder's generation_config.json; 1 where it names none, as transformers and vLLM do."""
    file = folder / GENERATION
    value = _read_json(file).get("temperature", 1.0) if file.is_file() else 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise UserError(f"{file}: temperature = {value!r}: must be a number from 0 to 2")
    return float(value)


def load_model(folder: Path, dtype: torch.dtype = torch.float32) -> Transformer:
    """A Transformer from a Hugging Face folder, in `dtype`, on the CPU; UserError when the folder is no such model."""
    config = from_hf(_read_json(folder / CONFIG), str(folder / CONFIG))
    with torch.device("meta"):
        model = Transformer(config)
    file = folder / WEIGHTS
    if not file.is_file():
        raise UserError(f"{folder}: has no {WEIGHTS}; give a model folder with its weights in that one file")
    try:
        with safe_open(file, framework="pt") as stored:
            _check_tensors(file, {name: stored.get_slice(name).get_shape() for name in stored.keys()}, model)  # noqa: SIM118
            model = model.to_empty(device="cpu").to(dtype)
            _copy(model, stored)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: cannot be read as safetensors ({error})") from error
    return model


@torch.no_grad()
def _copy(model: Transformer, stored: Any) -> None:
    """Copied, not mapped: a mapped tensor's alignment, hence the order of its sums, can differ between runs."""
    for name, parameter in model.named_parameters():
        parameter.copy_(stored.get_tensor(name))


def _check_tensors(file: Path, shapes: Mapping[str, list[int]], model: Transformer) -> None:
    wanted: dict[str, Tensor] = dict(model.named_parameters())
    for name, parameter in wanted.items():
        if name not in shapes:
            raise UserError(f"{file}: tensor {name!r} is missing; config.json asks for it")
        if list(parameter.shape) != shapes[name]:
            want = list(parameter.shape)
            raise UserError(f"{file}: tensor {name!r} has shape {shapes[name]}, config.json asks for {want}")
    # A tied head may be stored a second time under its own name.
    extra = sorted(set(shapes) - set(wanted) - ({"lm_head.weight"} if model.config.tie_word_embeddings else set()))
    if extra:
        raise UserError(f"{file}: tensor {extra[0]!r} has no place in the model of config.json")


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the folder of a model") from error
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object")
    return value
