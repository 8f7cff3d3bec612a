"""The verbs as a person meets them: quick help, exit codes, one-line errors."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import typer.main

from tumbler.cli import app

VERBS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def tumbler(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tumbler", *arguments], capture_output=True, text=True, timeout=120)


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom tumbler.cli import main\nsys.argv = ['tumbler', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'transformers', 'pyarrow', 'tokenizers'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "Commands:" in shown
    assert shown.splitlines()[-1] == "[]"


def test_help_answers_in_half_a_second() -> None:
    seconds = []
    for _ in range(5):
        begun = time.monotonic()
        assert tumbler("--help").returncode == 0
        seconds.append(time.monotonic() - begun)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_an_example_in_its_help(verb: str) -> None:
    assert f"Example: tumbler {verb}" in " ".join(tumbler(verb, "--help").stdout.split())


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("run", "tinny"), "tumbler: no recipe 'tinny'; did you mean 'tiny'"),
        (("explain", "/nowhere"), "tumbler: /nowhere: is no artifact of tumbler (no manifest.json)"),
        (("show", "/nowhere"), "tumbler: /nowhere: no finished step in it"),
        (("run", "smoke", "--set", "crawl.sourcs=[]"), "crawl: unknown key 'sourcs'; did you mean 'sources'?"),
        (("generate", "/nowhere", "x"), "/nowhere"),
        (("chat", "/nowhere", "-m", "x"), "/nowhere"),
        (("playground", "/nowhere", "x"), "/nowhere"),
        (("playground", "/nowhere", "--shots", "/none.txt"), "tumbler: /none.txt: not read: No such file"),
        (("serve", "/nowhere"), "/nowhere"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(arguments: tuple[str, ...], line: str) -> None:
    done = tumbler(*arguments)
    assert done.returncode == 2
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_an_unknown_verb_is_exit_code_2() -> None:
    assert tumbler("tumble").returncode == 2
