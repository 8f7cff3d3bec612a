"""Several tokenizers on the same texts: tokens, and bytes a token (more is shorter sequences)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tumbler.errors import UserError
from tumbler.text.tokenizer import Tokenizer
from tumbler.tokens.samples_reader import samples
from tumbler.views import Table


def compare(paths: Sequence[Path], text: Path | None) -> Table:
    """The tokenizers at `paths` on the file `text`, or on texts in many languages and on code."""
    tokenizers = {_name(path): Tokenizer.load(path) for path in paths}
    return comparison(tokenizers, samples() if text is None else {text.name: _read(text)})


def comparison(tokenizers: Mapping[str, Tokenizer], texts: Mapping[str, str]) -> Table:
    columns = [column for name in tokenizers for column in (f"{name}: tokens", "bytes/token")]
    rows = []
    for name, text in texts.items():
        size = len(text.encode("utf-8", "replace"))
        counts = [len(tokenizer.encode_arrays([text])[0]) for tokenizer in tokenizers.values()]
        rows.append((name, size, *(cell for count in counts for cell in (count, round(size / max(1, count), 2)))))
    return Table("Tokenizers compared", ("text", "bytes", *columns), tuple(rows))


def _name(path: Path) -> str:
    """What tells one tokenizer from another: `runs/tiny/tokens/tokenizer` is known by its last folders."""
    return "/".join(path.resolve().parts[-2:]) if path.name.startswith("tokenizer") else path.name


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); convert it") from error
