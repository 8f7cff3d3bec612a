"""Machine code of a module, compiled ahead of time (AOTInductor) and kept in the user's cache for the next start."""

from __future__ import annotations

import hashlib
import inspect
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from tumbler.device import this_machine
from tumbler.errors import UserError

Run = Callable[[list[Tensor]], list[Tensor]]
"""The tensors of all arguments, in their order -> those of the outcome."""


def compiled(module: nn.Module, example: Sequence[Any], shapes: Sequence[Any], sources: Iterable[ModuleType]) -> Run:
    """`module`, for arguments like those of `example` but for the dimensions that `shapes` names (torch.export).

    What is kept is found again by `sources`, the code that `module` runs, the example's types and sizes, and torch's
    version. UserError where no C++ compiler is.
    """
    path = _folder() / f"{_key(module, example, sources)}.pt2"
    # Made outside of inference mode, which the compiler does not know.
    with torch.inference_mode(False), torch.no_grad():
        if not path.exists():
            _compile(module, torch.utils._pytree.tree_map_only(Tensor, torch.empty_like, tuple(example)), shapes, path)
        run: Run = torch._inductor.aoti_load_package(str(path)).loader.boxed_run
    return run


def _compile(module: nn.Module, example: tuple[Any, ...], shapes: Sequence[Any], path: Path) -> None:
    if this_machine().compiler is None:
        raise UserError("compile needs a C++ compiler; install g++ or clang++, or leave it out")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own, of itself
        exported = torch.export.export(module, example, dynamic_shapes=tuple(shapes), strict=False)
        made = torch._inductor.aoti_compile_and_package(exported, package_path=str(Path(folder) / path.name))
        Path(made).replace(path)


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tumbler" / "compiled"


def _key(module: nn.Module, example: Sequence[Any], sources: Iterable[ModuleType]) -> str:
    leaves = torch.utils._pytree.tree_leaves(list(example))
    tensors = [(leaf.shape, leaf.dtype) for leaf in leaves if leaf is not None]
    torch_is = torch.__version__, torch.get_num_threads(), torch.backends.cpu.get_cpu_capability()
    how = torch_is, torch.are_deterministic_algorithms_enabled(), str(module), tensors
    text = repr((how, [inspect.getsource(source) for source in sources]))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
