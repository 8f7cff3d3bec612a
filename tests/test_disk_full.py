"""A full disk ends a run with one clear line; with room made, the same command goes on and ends in the same bytes.

The disk is a small tmpfs in a namespace of the test's own, so this needs Linux that lets users have those.
"""

from __future__ import annotations

import json
import random
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tumbler.artifact import MANIFEST

RECIPE = """
[[step]]
name = "crawl"
stage = "crawl"
sources = ["SOURCES/*.jsonl"]
"""
ROOM, MORE = "600k", "16m"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe that reads six files of 300 kB, each worth about 150 kB of Parquet."""
    chance = random.Random(0)
    (tmp_path / "sources").mkdir()
    for number in range(6):
        rows = [json.dumps({"text": chance.randbytes(1000).hex(), "id": f"{number}-{row}"}) for row in range(150)]
        (tmp_path / "sources" / f"{number}.jsonl").write_text("\n".join(rows))
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace("SOURCES", str(tmp_path / "sources")))
    return path


def in_namespace(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["unshare", "-rm", "sh", "-e", "-c", script], capture_output=True, text=True, timeout=120)


def digest(run: Path) -> str:
    return str(json.loads((run / "crawl" / MANIFEST).read_text())["digest"])


def times(run: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (run / "crawl" / "pages").glob("*.parquet")}


def test_a_full_disk_is_one_line_and_a_rerun_goes_on(tmp_path: Path, recipe: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or in_namespace(f"mount -t tmpfs tmpfs {disk}").returncode:
        pytest.skip("needs to mount a tmpfs in a user namespace")
    command = [sys.executable, "-m", "tumbler", "run", str(recipe), "--set", "executor.workers=2", "--out"]
    run = shlex.join([*command, str(disk / "run")])
    script = f"""
        mount -t tmpfs -o size={ROOM} tmpfs {disk}
        code=0; {run} 2>{tmp_path}/said || code=$?
        test $code = 1
        cp -a {disk}/run {tmp_path}/first
        mount -o remount,size={MORE} {disk}
        {run}
        cp -a {disk}/run {tmp_path}/second
    """
    done = in_namespace(script)
    assert done.returncode == 0, (tmp_path / "said").read_text() + done.stderr
    said = (tmp_path / "said").read_text().splitlines()
    assert [line for line in said if "No space left" in line] == said[-1:]
    assert said[-1].startswith(f"tumbler: crawl: disk full at {disk}/run/crawl")
    assert said[-1].endswith("; free space and run the same command again, it goes on from here")
    first = times(tmp_path / "first")
    assert 0 < len(first) < 6
    assert first.items() <= times(tmp_path / "second").items()
    subprocess.run([*command, str(tmp_path / "roomy")], check=True, capture_output=True, timeout=120)
    assert digest(tmp_path / "second") == digest(tmp_path / "roomy")
