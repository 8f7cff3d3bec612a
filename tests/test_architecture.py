"""The table of rooms in docs/architecture.md is the law: this test walks every import and holds it to that."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tumbler"
LONGEST = 400


def allowed_imports(page: str) -> dict[str, set[str]]:
    """Room -> rooms it may import, from the rows `| `room` | ... | `a` `b` |` of the page's tables."""
    table: dict[str, set[str]] = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 3:
            table[cells[0].strip("`")] = set(re.findall(r"`([a-z_]+)`", cells[2]))
    return table


def imports(source: str) -> Iterator[tuple[int, str]]:
    """(line, room) of each import of the package, at any depth of nesting."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = (
                [f"tumbler.{alias.name}" for alias in node.names] if node.module == "tumbler" else [node.module or ""]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "tumbler" and len(parts) > 1 and parts[1] != "__version__":
                yield node.lineno, parts[1]


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def violations(table: dict[str, set[str]], files: dict[Path, str]) -> list[str]:
    found = []
    for path, source in files.items():
        room = room_of(path)
        if room in ("__init__", "__main__"):
            continue
        for line, other in imports(source):
            if other != room and other not in table.get(room, set()):
                found.append(f"{path.relative_to(ROOT)}:{line}: {room} may not import {other}")
    return found


def sources() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def law() -> dict[str, set[str]]:
    return allowed_imports((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))


def test_every_import_is_allowed_by_the_architecture_page() -> None:
    assert violations(law(), sources()) == []


def test_a_forbidden_import_is_found() -> None:
    path = PACKAGE / "text" / "bad.py"
    assert violations(law(), {path: "def f():\n    from tumbler.serve import app\n"}) == [
        "tumbler/text/bad.py:2: text may not import serve"
    ]


def test_the_page_names_every_room_and_no_other() -> None:
    rooms = {room_of(path) for path in sources()} - {"__init__", "__main__"}
    assert set(law()) == rooms


def test_the_table_has_no_cycle() -> None:
    table = law()
    for room in table:
        reached, queue = set(), [*table[room]]
        while queue:
            other = queue.pop()
            if other not in reached:
                reached.add(other)
                queue += table.get(other, set())
        assert room not in reached, f"{room} reaches itself"


def test_no_file_is_longer_than_a_reader_bears() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): source.count("\n") for path, source in sources().items()}
    tables = {"tumbler/almanac/wordings.py"}  # a table may be long
    assert {name: n for name, n in lengths.items() if n > LONGEST and name not in tables} == {}


def test_the_page_allows_nothing_that_no_file_uses() -> None:
    used: dict[str, set[str]] = {}
    for path, source in sources().items():
        used.setdefault(room_of(path), set()).update(other for _, other in imports(source))
    assert {room: extra for room, allowed in law().items() if (extra := allowed - used[room])} == {}
