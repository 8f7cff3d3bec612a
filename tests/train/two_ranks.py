"""OUT START eager|compiled: train a little model from START's save, if there is one, to step 10; save step 5 in OUT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tumbler.device import prepare, this_machine
from tumbler.model import Transformer, init_weights, sizes
from tumbler.train import LearningRates, Objective, PackedLoader, TrainPlan, TrainState, make_optimizers, train
from tumbler.train.checkpoint import resume, save_state
from tumbler.train.parallel import join, shard


class Docs:
    lengths = tuple(5 + 3 * index for index in range(30))

    def __len__(self) -> int:
        return 30

    def document(self, index: int, /) -> NDArray[np.int64]:
        return np.random.default_rng(index).integers(0, 37, 5 + 3 * index)


def main(out: Path, start: Path, compile: bool) -> None:
    machine = this_machine()
    prepare(machine)
    join(machine)
    # 3 heads of 24 and a vocabulary of 37: rows that two ranks cannot share evenly.
    model = Transformer(sizes(3, vocab_size=37, context=16, width=72, heads=3, mlp=100))
    init_weights(model, 0)
    model = shard(model, machine, bf16=False, compile=compile)
    optimizers = make_optimizers(model, LearningRates(0.02, 3e-3), weight_decay=0.01, bf16=False)
    state = TrainState(model, optimizers, PackedLoader(Docs(), rows=8, length=16, seed=0))
    resume(state, start)
    objective = Objective(state.model, machine, bf16=False, compile=compile)
    curve = []
    for report in train(state, objective, TrainPlan(10, 2, 0.5, 1.0, micro_rows=2), machine):
        curve.append((float(report.loss), float(report.grad_norm)))
        if report.step == 5:
            save_state(state, out)
    if machine.rank == 0:
        out.mkdir(exist_ok=True)
        (out / "curve.json").write_text(json.dumps(curve))


if __name__ == "__main__":
    torch.manual_seed(0)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "compiled")
