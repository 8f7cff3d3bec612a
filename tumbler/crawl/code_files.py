"""Source files of code repositories: their language by name, and which are not somebody's writing.

Languages have the names of GitHub's linguist in lower case, with dashes. Only the name decides: `.h` is C, `.m` is
Objective-C and `.pl` is Perl, as the suffix is most used. Data and configuration (JSON, YAML, CSV) are no source files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from pydantic import field_validator

from tumbler.recipe import Settings, nearest

SUFFIXES: Final = {
    "ada": "adb ads",
    "assembly": "asm s",
    "c": "c h",
    "c++": "cc cpp cxx hh hpp hxx",
    "c-sharp": "cs",
    "clojure": "clj cljc cljs",
    "cmake": "cmake",
    "common-lisp": "lisp",
    "crystal": "cr",
    "css": "css scss sass less",
    "cuda": "cu cuh",
    "d": "d",
    "dart": "dart",
    "elixir": "ex exs",
    "elm": "elm",
    "emacs-lisp": "el",
    "erlang": "erl hrl",
    "f-sharp": "fs fsi fsx",
    "fortran": "f f77 f90 f95 f03 f08 for",
    "glsl": "glsl vert frag",
    "go": "go",
    "graphql": "graphql",
    "groovy": "groovy gradle",
    "haskell": "hs lhs",
    "html": "html htm",
    "java": "java",
    "javascript": "js jsx mjs cjs",
    "julia": "jl",
    "kotlin": "kt kts",
    "lua": "lua",
    "markdown": "md markdown",
    "nim": "nim",
    "nix": "nix",
    "objective-c": "m mm",
    "ocaml": "ml mli",
    "pascal": "pas",
    "perl": "pl pm",
    "php": "php",
    "powershell": "ps1 psm1",
    "prolog": "pro prolog",
    "protocol-buffer": "proto",
    "python": "py pyi pyx",
    "r": "r",
    "racket": "rkt",
    "restructuredtext": "rst",
    "ruby": "rb",
    "rust": "rs",
    "scala": "scala sc",
    "scheme": "scm ss",
    "shell": "sh bash zsh",
    "smalltalk": "st",
    "solidity": "sol",
    "sql": "sql",
    "standard-ml": "sml",
    "swift": "swift",
    "tcl": "tcl",
    "terraform": "tf",
    "tex": "tex",
    "typescript": "ts tsx mts cts",
    "verilog": "v sv",
    "vhdl": "vhd vhdl",
    "vim-script": "vim",
    "visual-basic": "vb",
    "vue": "vue",
    "webassembly": "wat",
    "zig": "zig",
}
NAMES: Final = {
    "makefile": "makefile",
    "gnumakefile": "makefile",
    "dockerfile": "dockerfile",
    "cmakelists.txt": "cmake",
    "rakefile": "ruby",
    "gemfile": "ruby",
    "build.bazel": "starlark",
    "jenkinsfile": "groovy",
}
_BY_SUFFIX: Final = {suffix: language for language, suffixes in SUFFIXES.items() for suffix in suffixes.split()}
LANGUAGES: Final = frozenset({*SUFFIXES, *NAMES.values()})

VENDORED: Final = (
    "node_modules bower_components jspm_packages vendor vendors third_party third-party thirdparty 3rdparty external "
    "externals extern deps dist build site-packages dist-packages venv .venv virtualenv .tox .nox .eggs "
    "__pycache__ .bundle .gradle .mvn .cargo .next .nuxt pods carthage godeps"
)
"""Folders of others' code and of what tools made; after linguist's vendor.yml and the usual .gitignore files."""
LOCK_FILES: Final = (
    "package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock composer.lock gemfile.lock cargo.lock "
    "poetry.lock pdm.lock uv.lock pipfile.lock go.sum mix.lock pubspec.lock flake.lock packages.lock.json podfile.lock "
    "cartfile.resolved gradle.lockfile"
)
HEADER_LINES: Final = 40
HEADER_CHARACTERS: Final = 4000
MAX_MEAN_LINE: Final = 200
MAX_LINE: Final = 10_000
"""Characters; beyond either a file is minified, or data. Codex (arXiv:2107.03374, section 3.1) drew the lines at 100
and 1,000; wider here, because prose in Markdown and TeX has a paragraph a line."""
SNIFFED_BYTES: Final = 8000
"""In which git, too, looks for a NUL to call a file binary."""
_VENDORED: Final = frozenset(VENDORED.split())
_LOCK_FILES: Final = frozenset(LOCK_FILES.split())
_GENERATED = re.compile(
    r"@generated\b|\bdo not edit\b|\b(?:auto-?|automatically )generated (?:by|file|from|code)\b", re.IGNORECASE
)


class Code(Settings):
    """Code repositories, beside those that `sources` names (a folder with .git in it)."""

    repositories: tuple[str, ...] = ()
    """Folders that are repositories although they have no .git: paths or globs."""
    languages: tuple[str, ...] = ()
    """Only files in these languages, named as in "python", "c++", "c-sharp"; empty: all that are known."""

    @field_validator("languages")
    @classmethod
    def _known(cls, languages: Sequence[str]) -> Sequence[str]:
        for language in languages:
            if language not in LANGUAGES:
                raise ValueError(f"no language {language!r}{nearest(language, LANGUAGES)}")
        return languages


def language_of(path: str) -> str:
    """The language of a file by its name; "" for what is no source file."""
    name = PurePosixPath(path).name.lower()
    return NAMES.get(name) or _BY_SUFFIX.get(name.rpartition(".")[2] if "." in name else "", "")


def refused_by_path(path: str, languages: frozenset[str]) -> str:
    """Why a file of a repository is not read; "" when it is. `languages`: the wanted ones, empty for all."""
    pure = PurePosixPath(path.lower())
    if _VENDORED.intersection(pure.parts[:-1]):
        return "vendored"
    if pure.name in _LOCK_FILES:
        return "generated"
    if ".min." in pure.name:
        return "minified"
    language = language_of(path)
    if not language:
        return "not source code"
    return "other language" if languages and language not in languages else ""


def refused_by_text(text: str) -> str:
    """Why a source file is not taken; "" when it is."""
    if not text.strip():
        return "empty"
    header = "\n".join(text[:HEADER_CHARACTERS].split("\n")[:HEADER_LINES])
    if _GENERATED.search(header):
        return "generated"
    lengths = [len(line) for line in text.split("\n")]
    return "minified" if max(lengths) > MAX_LINE or sum(lengths) / len(lengths) > MAX_MEAN_LINE else ""
