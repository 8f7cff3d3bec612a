"""Pretraining speed: tokens a second, model FLOP utilisation, and where a step's time goes.

    python benchmarks/pretrain.py --compile
    python benchmarks/pretrain.py --depth 6 --vocab 32768 --context 512 --micro-rows 4 --compile

The data are random ids: the work of a step does not depend on them.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch.profiler import ProfilerActivity, profile

from tumbler.device import matmul_peak, prepare, synchronize, this_machine, torch_device
from tumbler.model import Transformer, init_weights, matmul_flops_per_token, sizes
from tumbler.train import LearningRates, Objective, PackedLoader, TrainPlan, TrainState, make_optimizers, train

WARM_STEPS = 3
PARTS = {
    "matrix products": ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm"),
    "fused by the compiler": ("## Call CompiledFxGraph",),
}
"""Share of a step by the names that the profiler gives; what is under no name here is `the rest`."""


class RandomDocuments:
    """Documents of 50 to 400 random ids."""

    def __init__(self, vocab_size: int) -> None:
        random = np.random.default_rng(0)
        self.all = [random.integers(0, vocab_size, random.integers(50, 400)) for _ in range(2000)]

    def __len__(self) -> int:
        return len(self.all)

    def document(self, index: int, /) -> NDArray[np.int64]:
        return self.all[index]


def main() -> None:
    options = _options()
    machine = this_machine()
    prepare(machine)
    bf16 = machine.bf16 and not options.fp32
    config = sizes(options.depth, options.vocab, options.context)
    model = Transformer(config)
    init_weights(model, seed=0)
    model.to(torch_device(machine))
    optimizers = make_optimizers(model, LearningRates(0.02, 3e-3), weight_decay=0.0, bf16=bf16)
    loader = PackedLoader(RandomDocuments(options.vocab), options.rows, options.context, seed=0)
    state = TrainState(model, optimizers, loader)
    objective = Objective(model, machine, bf16, options.compile)
    plan = TrainPlan(WARM_STEPS + options.steps + 1, 2, 0.5, 1.0, options.micro_rows)
    seconds = []
    reports = train(state, objective, plan, machine)
    for _ in range(WARM_STEPS + options.steps):
        begun = time.perf_counter()
        next(reports)
        synchronize(machine)
        seconds.append(time.perf_counter() - begun)
    peak = matmul_peak(machine, torch.bfloat16 if bf16 else torch.float32)
    tokens, flops = options.rows * options.context, matmul_flops_per_token(config, options.context)
    print(f"machine          {machine.name}, {machine.threads} threads, {'bf16' if bf16 else 'fp32'}")
    print(f"model            {sum(p.numel() for p in model.parameters()):,} parameters, {config}")
    print(f"matmul peak      {peak / 1e9:,.0f} GFLOP/s")
    print(f"first step       {seconds[0]:.1f} s (compiles, if asked to)")
    steady = sorted(seconds[WARM_STEPS:])
    for name, value in (("median", steady[len(steady) // 2]), ("best", steady[0])):
        print(f"{name:<16} {tokens / value:,.0f} tok/s, MFU {tokens / value * flops / peak:.1%}")
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        next(reports)
    _print_parts({event.key: event.self_cpu_time_total for event in profiled.key_averages()})


def _print_parts(times: dict[str, float]) -> None:
    total, left = sum(times.values()), sum(times.values())
    for part, names in PARTS.items():
        spent = sum(value for name, value in times.items() if name.startswith(names))
        left -= spent
        print(f"{part:<22} {spent / total:.1%}")
    print(f"{'the rest':<22} {left / total:.1%}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("depth", 4), ("vocab", 4096), ("context", 256), ("rows", 32), ("micro-rows", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--steps", type=int, default=10, help="steps measured")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--fp32", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
