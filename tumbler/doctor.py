"""`tumbler doctor`: what this machine has, and what tumbler will use of it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from tumbler import __version__
from tumbler.device import Machine, matmul_peak, this_machine

EXTRAS = (
    ("trafilatura", "another extractor of main content"),
    ("vllm", "rollouts and serving on big GPUs"),
    ("ray", "data stages on a cluster"),
)


def print_report() -> None:
    grid = Grid.grid(padding=(0, 2))
    for name, found, use in findings(this_machine(), Path.cwd()):
        grid.add_row(Text(name, style="bold"), Text(found), Text(use, style="dim"))
    Console(highlight=False).print(grid)


def findings(machine: Machine, folder: Path) -> list[tuple[str, str, str]]:
    """Rows of (what, what is there, what tumbler does with it)."""
    disk = shutil.disk_usage(folder).free
    peak = matmul_peak(machine)
    precision = "bf16" if machine.bf16 else "fp32"
    rows = [
        ("tumbler", __version__, f"Python {platform.python_version()}, torch {importlib.metadata.version('torch')}"),
        ("device", f"{machine.kind}: {machine.name}", f"training and inference run on {machine.kind}"),
        ("cores", str(machine.cores), f"data stages: {machine.cores} processes; training: {machine.threads} threads"),
        ("bf16", "yes" if machine.bf16 else "no", f"compute in {precision}; parameters and optimizer in fp32"),
        ("matmul", f"{peak / 1e9:,.0f} GFLOP/s", f"measured in {precision}; utilisation is stated against it"),
        ("memory", f"{machine.memory / 2**30:.1f} GiB", ""),
        ("disk", f"{disk / 2**30:.1f} GiB free", f"at {folder}"),
        ("compiler", machine.compiler or "none", "for torch.compile; without one set compile = false"),
    ]
    for name, use in EXTRAS:
        there = importlib.util.find_spec(name) is not None
        rows.append((name, "installed" if there else "not installed", f"optional: {use}"))
    return rows
