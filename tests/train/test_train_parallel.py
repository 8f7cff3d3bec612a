"""Two processes (gloo, FSDP2) train as one does, and each can go on from the other's save."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

SCRIPT = Path(__file__).with_name("two_ranks.py")


def curve(out: Path, start: Path, compile: str, ranks: int) -> NDArray[np.float64]:
    """The losses, and the gradients' norms, up to step 10 by `ranks` processes, from the save in `start`; `out` has
    theirs of step 5. (The norms, since Muon and AdamW step alike by a gradient of any length.)"""
    launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={ranks}"] if ranks > 1 else []
    command = [sys.executable, *launcher, str(SCRIPT), str(out), str(start), compile]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return np.array(json.loads((out / "curve.json").read_text()))


@pytest.mark.parametrize("compile", ["eager", pytest.param("compiled", marks=pytest.mark.slow)])
def test_two_processes_have_the_loss_curve_of_one_and_go_on_from_each_others_saves(
    tmp_path: Path, compile: str
) -> None:
    none = tmp_path / "none"
    one = curve(tmp_path / "1", none, compile, ranks=1)
    two = curve(tmp_path / "2", none, compile, ranks=2)
    assert one.shape == (10, 2)
    assert two == pytest.approx(one, rel=1e-4)  # fp32; sums in another order
    assert curve(tmp_path / "12", tmp_path / "1", compile, ranks=2) == pytest.approx(one[5:], rel=1e-4)
    assert curve(tmp_path / "21", tmp_path / "2", compile, ranks=1) == pytest.approx(one[5:], rel=1e-4)
