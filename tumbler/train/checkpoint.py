"""Training states on disk: safetensors and JSON, whole or not there, enough to go on bit for bit.

resume/step-000123/*.safetensors   parameters, optimizers' tensors by parameter name, random state
resume/step-000123/state.json      step, loader, what the guard against spikes remembers

PyTorch's distributed checkpoint writes the tensors, each rank its part; so a run that was saved by N ranks
goes on with M.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.optim import Optimizer

from tumbler.artifact import replacing
from tumbler.device import rank
from tumbler.errors import UserError
from tumbler.train.parallel import barrier
from tumbler.train.state import TrainState

VALUES, PREFIX = "state.json", "step-"
RANDOM: Final = "random"
PLAIN: Final = ("step", "best", "best_step")
"""Fields of TrainState that JSON holds as they are."""


def save_state(state: TrainState, folder: Path) -> Path:
    """Write `folder`/step-000123, then remove the older ones. All ranks must call it."""
    older = saved(folder)
    path = folder / f"{PREFIX}{state.step:06d}"
    with _together(path) as temporary:
        _write(_tensors(state), temporary)
        values = {name: getattr(state, name) for name in PLAIN}
        values |= {"loader": state.loader.state(), "spikes": state.spikes.state()}
        if rank() == 0:
            (temporary / VALUES).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    if rank() == 0:
        for item in older:
            if item != path:
                shutil.rmtree(item)
    return path


def resume(state: TrainState, folder: Path) -> bool:
    """Put `state` where the newest save in `folder` stands; False when there is none."""
    found = saved(folder)
    if found:
        load_state(state, found[-1])
    return bool(found)


def saved(folder: Path) -> list[Path]:
    """The states in `folder`, oldest first."""
    found = [path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdigit()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(PREFIX)))


@torch.no_grad()
def load_state(state: TrainState, path: Path) -> None:
    """Fill `state` from a folder that `save_state` wrote. Raises UserError when it is of another model."""
    reader = HuggingFaceStorageReader(str(path))
    shapes = {name: entry.size for name, entry in reader.read_metadata().state_dict_metadata.items()}  # type: ignore[union-attr]
    tensors = _places(state, shapes, path)
    with _quietly():
        load(tensors, storage_reader=reader, no_dist=not dist.is_initialized())
    for name, parameter in state.model.named_parameters():
        parameter.copy_(tensors[f"model.{name}"])
    for number, optimizer in enumerate(state.optimizers):
        for name, parameter in _named(state.model, optimizer):
            prefix = f"optimizer.{number}.{name}/"
            for key in [key for key in tensors if key.startswith(prefix)]:
                # One number is kept as a row of one: the format knows no tensor without dimensions.
                value = tensors[key].squeeze(0) if shapes[key] == (1,) else tensors[key]
                optimizer.state[parameter][key.removeprefix(prefix)] = value
    torch.set_rng_state(tensors[RANDOM])
    values: dict[str, Any] = json.loads((path / VALUES).read_text(encoding="utf-8"))
    for name in PLAIN:
        setattr(state, name, values[name])
    state.loader.load_state(values["loader"])
    state.spikes.load_state(values["spikes"])


def _places(state: TrainState, shapes: Mapping[str, torch.Size], path: Path) -> dict[str, Tensor]:
    """Empty tensors to read into, sharded as the parameters they belong to; UserError for another model's state."""
    tensors: dict[str, Tensor] = {RANDOM: torch.get_rng_state()}
    for name, parameter in state.model.named_parameters():
        if shapes.get(f"model.{name}") != parameter.shape:
            raise UserError(
                f"{path}: holds no {name!r} of shape {list(parameter.shape)}: it is the state of another model; "
                "remove it to begin anew"
            )
        tensors[f"model.{name}"] = torch.empty_like(parameter)
    for number, optimizer in enumerate(state.optimizers):
        for name, parameter in _named(state.model, optimizer):
            for key in [key for key in shapes if key.startswith(f"optimizer.{number}.{name}/")]:
                like = shapes[key] == parameter.shape
                tensors[key] = (
                    torch.empty_like(parameter) if like else torch.empty(shapes[key], device=parameter.device)
                )
    return tensors


def _tensors(state: TrainState) -> dict[str, Tensor]:
    tensors = {f"model.{name}": parameter.detach() for name, parameter in state.model.named_parameters()}
    for number, optimizer in enumerate(state.optimizers):
        for name, parameter in _named(state.model, optimizer):
            for key, value in optimizer.state[parameter].items():
                tensors[f"optimizer.{number}.{name}/{key}"] = value.view(1) if value.ndim == 0 else value
    tensors[RANDOM] = torch.get_rng_state()
    return tensors


def _write(tensors: dict[str, Tensor], folder: Path) -> None:
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    with _quietly():
        save(tensors, storage_writer=writer, no_dist=not dist.is_initialized())


@contextmanager
def _together(path: Path) -> Iterator[Path]:
    """`replacing` of a folder that all ranks write to: rank 0 makes it and renames it when all are done."""
    if rank() == 0:
        with replacing(path) as temporary:
            temporary.mkdir()
            yield _from_first(temporary)
            barrier()
    else:
        yield _from_first(None)
        barrier()
    barrier()


def _from_first(path: Path | None) -> Path:
    """Rank 0's path, on every rank."""
    values = [str(path)]
    if dist.is_initialized():
        dist.broadcast_object_list(values)
    return Path(values[0])


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the checkpoint's warning that no other rank takes part: of one rank that is so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="torch.distributed.checkpoint")
        yield


def _named(model: nn.Module, optimizer: Optimizer) -> Iterator[tuple[str, nn.Parameter]]:
    """The optimizer's parameters with their names in the model."""
    mine = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return ((name, parameter) for name, parameter in model.named_parameters() if id(parameter) in mine)
