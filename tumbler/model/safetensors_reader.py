"""The weights of a Hugging Face folder, one file or many, untrusted: headers are read first, tensors when asked for.

Nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from torch import Tensor

from tumbler.errors import UserError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES: Final = ("pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth", "model.pt")
DTYPES: Final = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True)
class Stored:
    """One tensor of a file, by its header."""

    file: Path
    shape: tuple[int, ...]
    handle: Any
    """The open file."""
    name: str

    def tensor(self) -> Tensor:
        """Read it, mapped: copy what is to be kept."""
        tensor: Tensor = self.handle.get_tensor(self.name)
        return tensor


@contextmanager
def open_weights(folder: Path, more: Sequence[str] = ()) -> Iterator[Mapping[str, Stored]]:
    """The tensors of the folder by name; UserError for files that are missing, damaged, or hold anything but DTYPES and
    `more`.

    Also what goes wrong while they are read becomes a UserError.
    """
    found: dict[str, Stored] = {}
    with ExitStack() as stack:
        for file in weight_files(folder):
            with _refusing(file):
                tensors = list(_header(file, stack.enter_context(safe_open(file, framework="pt")), more))
            for stored in tensors:
                if stored.name in found:
                    raise UserError(f"{file}: tensor {stored.name!r} stands in {found[stored.name].file.name} too")
                found[stored.name] = stored
        with _refusing(folder):
            yield found


def weight_files(folder: Path) -> list[Path]:
    """model.safetensors where there is one, as transformers prefers it, else the files that the index names."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        return _shards(folder / INDEX)
    for name in PICKLES:
        if (folder / name).exists():
            raise UserError(
                f"{folder}: its weights are a pickle ({name}), which can run code when read; save it as safetensors"
            )
    raise UserError(f"{folder}: has no {WEIGHTS}; give a model folder with its weights in it")


def read_json(path: Path) -> dict[str, Any]:
    """An object from an untrusted file; UserError for any other."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the folder of a model") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object")
    return value


def _shards(index: Path) -> list[Path]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise UserError(f"{index}: weight_map must give the file of each tensor")
    files = [index.parent / name for name in sorted(set(names.values()))]
    for file in files:
        if file.parent != index.parent or file.suffix != ".safetensors":
            raise UserError(f"{index}: weight_map names {file.name!r}: must be a safetensors file of the folder itself")
        if not file.is_file():
            raise UserError(f"{index}: names {file.name}, which is not there; copy all of the model's files")
    return files


def _header(file: Path, handle: Any, more: Sequence[str]) -> Iterator[Stored]:
    for name in handle.keys():  # noqa: SIM118
        part = handle.get_slice(name)
        if part.get_dtype() not in (*DTYPES, *more):
            raise UserError(f"{file}: tensor {name!r} is {part.get_dtype()}: tumbler reads {', '.join(DTYPES)}")
        yield Stored(file, tuple(part.get_shape()), handle, name)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read as safetensors ({error})") from error
