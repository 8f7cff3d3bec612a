"""Training states on disk: safetensors and JSON, whole or not there, enough to go on bit for bit.

resume/step-000123/state.safetensors   parameters, optimizers' tensors by parameter name, random state
resume/step-000123/state.json          step, loader
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from tumbler.artifact import replacing
from tumbler.errors import UserError
from tumbler.train.state import TrainState

TENSORS, VALUES, PREFIX = "state.safetensors", "state.json", "step-"
RANDOM: Final = "random"


def save_state(state: TrainState, folder: Path) -> Path:
    """Write `folder`/step-000123, then remove the older ones."""
    older = saved(folder)
    path = folder / f"{PREFIX}{state.step:06d}"
    with replacing(path) as temporary:
        temporary.mkdir()
        save_file(_tensors(state), temporary / TENSORS)
        values = {"step": state.step, "loader": state.loader.state()}
        (temporary / VALUES).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
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
    tensors = load_file(path / TENSORS)
    values: dict[str, Any] = json.loads((path / VALUES).read_text(encoding="utf-8"))
    parameters = dict(state.model.named_parameters())
    missing = [name for name in parameters if f"model.{name}" not in tensors]
    if missing:
        raise UserError(f"{path}: holds no {missing[0]!r}: it is the state of another model; remove it to begin anew")
    for name, parameter in parameters.items():
        parameter.copy_(tensors[f"model.{name}"])
    for number, optimizer in enumerate(state.optimizers):
        for name, parameter in _named(state.model, optimizer):
            _fill(optimizer, parameter, f"optimizer.{number}.{name}/", tensors)
    torch.set_rng_state(tensors[RANDOM])
    state.step = values["step"]
    state.loader.load_state(values["loader"])


def _fill(optimizer: Optimizer, parameter: nn.Parameter, prefix: str, tensors: dict[str, Tensor]) -> None:
    """The optimizer's own tensors of one parameter, copied (a mapped file's alignment is not the allocator's)."""
    for key, value in tensors.items():
        if key.startswith(prefix):
            optimizer.state[parameter][key.removeprefix(prefix)] = value.to(parameter.device, copy=True)


def _tensors(state: TrainState) -> dict[str, Tensor]:
    tensors = {f"model.{name}": parameter.detach() for name, parameter in state.model.named_parameters()}
    for number, optimizer in enumerate(state.optimizers):
        for name, parameter in _named(state.model, optimizer):
            for key, value in optimizer.state[parameter].items():
                tensors[f"optimizer.{number}.{name}/{key}"] = value
    tensors[RANDOM] = torch.get_rng_state()
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}


def _named(model: nn.Module, optimizer: Optimizer) -> Iterator[tuple[str, nn.Parameter]]:
    """The optimizer's parameters with their names in the model."""
    mine = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return ((name, parameter) for name, parameter in model.named_parameters() if id(parameter) in mine)
