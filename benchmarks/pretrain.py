"""Pretraining speed: tokens a second, the share of the matmul peak, where a step's time goes; beside nanochat.

    python benchmarks/pretrain.py --compile
    python benchmarks/pretrain.py --nanochat DIR --depth 4 --rows 16
    python benchmarks/pretrain.py --nanochat DIR --depth 6 --rows 32

DIR is a checkout of https://github.com/karpathy/nanochat. Both train the same number of matrix weights a layer (12
times the width squared), the same vocabulary, batch and context, in bf16, each with its own optimizer, each in a
process of its own, in turns. The data are random ids: the work of a step does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.profiler import ProfilerActivity, profile

from tumbler.device import Machine, matmul_peak, prepare, synchronize, this_machine, torch_device
from tumbler.model import Transformer, init_weights, matmul_flops_per_token, parameters, sizes
from tumbler.train import LearningRates, Objective, PackedLoader, TrainPlan, TrainState, make_optimizers, train

WARM_STEPS = 3
LOADED_BATCHES = 50
PARTS = {
    "matrix products": ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm"),
    "fused by the compiler": ("## Call CompiledFxGraph",),
    "optimizers": ("aten::_fused_adamw_", "aten::_foreach_"),
}
"""Share of a step by the names that the profiler gives; what is under no name here is `the rest`."""


class RandomDocuments:
    """Documents of 50 to 400 random ids."""

    def __init__(self, vocab_size: int) -> None:
        random = np.random.default_rng(0)
        self.all = [random.integers(0, vocab_size, random.integers(50, 400)) for _ in range(2000)]
        self.lengths = [len(ids) for ids in self.all]

    def __len__(self) -> int:
        return len(self.all)

    def document(self, index: int, /) -> NDArray[np.int64]:
        return self.all[index]


def main() -> None:
    options = _options()
    if options.side:
        print(json.dumps((_tumbler if options.side == "tumbler" else _nanochat)(options)))
    elif options.nanochat:
        _compare(options)
    else:
        _print(_tumbler(options))


def _compare(options: argparse.Namespace) -> None:
    """Each side in turns; the medians over the rounds, and of the ratios."""
    rounds: list[dict[str, dict[str, Any]]] = []
    for _ in range(options.rounds):
        rounds.append({side: _in_a_process(side) for side in ("nanochat", "tumbler")})
        theirs, ours = rounds[-1]["nanochat"], rounds[-1]["tumbler"]
        ratio = ours["tokens_per_second"] / theirs["tokens_per_second"]
        for name, found in rounds[-1].items():
            share = found["tokens_per_second"] * found["flops_per_token"] / found["peak"]
            rate, peak = found["tokens_per_second"], found["peak"] / 1e9
            print(f"{name:<9} {rate:>8,.0f} tok/s  {share:.1%} of {peak:,.0f} GFLOP/s")
        print(f"{'ratio':<9} {ratio:>8.2f}", flush=True)
    ratios = [pair["tumbler"]["tokens_per_second"] / pair["nanochat"]["tokens_per_second"] for pair in rounds]
    print(f"median of {len(ratios)} ratios: {sorted(ratios)[len(ratios) // 2]:.2f}")
    for name, found in rounds[-1].items():
        print(f"{name}: {found['flops_per_token'] / 1e6:.1f} MFLOP a token, {found['parameters']:,} parameters")


def _in_a_process(side: str) -> dict[str, Any]:
    command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _tumbler(options: argparse.Namespace) -> dict[str, Any]:
    machine = this_machine()
    prepare(machine)
    bf16 = machine.bf16 and not options.fp32
    config = replace(sizes(options.depth, options.vocab, options.context), tie_word_embeddings=not options.nanochat)
    model = Transformer(config)
    init_weights(model, seed=0)
    model.to(torch_device(machine))
    optimizers = make_optimizers(model, LearningRates(0.02, 3e-3), weight_decay=0.0, bf16=bf16)
    loader = PackedLoader(RandomDocuments(options.vocab), options.rows, options.context, seed=0)
    state = TrainState(model, optimizers, loader)
    objective = Objective(model, machine, bf16, options.compile or bool(options.nanochat))
    plan = TrainPlan(WARM_STEPS + options.steps + 1, 2, 0.5, 1.0, options.micro_rows)
    reports = train(state, objective, plan, machine)
    found = _timed(lambda: next(reports), options, machine, bf16)
    if not options.side:
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            next(reports)
        found["parts"] = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
        found["loader"] = _loaded(loader, options.rows * options.context)
    flops = matmul_flops_per_token(config, options.context)
    return found | {"flops_per_token": flops, "parameters": parameters(config), "machine": machine.name, "bf16": bf16}


def _nanochat(options: argparse.Namespace) -> dict[str, Any]:
    """The step of its scripts/base_train.py, on batches that are there already."""
    machine = this_machine()
    os.environ["NANOCHAT_DTYPE"] = "float32" if options.fp32 else "bfloat16"
    sys.path.insert(0, str(options.nanochat))
    from nanochat.gpt import GPT, GPTConfig  # type: ignore[import-not-found]

    width = -(-options.depth * 64 // options.head_dim) * options.head_dim
    heads = width // options.head_dim
    config = GPTConfig(options.context, options.vocab, options.depth, heads, heads, width, "L")
    with torch.device("meta"):
        model = GPT(config)
    model.to_empty(device=machine.kind)
    model.init_weights()
    optimizer = model.setup_optimizer(weight_decay=0.1)
    compiled = torch.compile(model, dynamic=False)
    shape = (options.peer_rows, options.context)
    parts = options.rows // options.peer_rows
    batches = [torch.randint(0, options.vocab, shape, device=machine.kind) for _ in range(2)]

    def step() -> None:
        for _ in range(parts):
            loss = compiled(batches[0], batches[1])
            (loss / parts).backward()
        optimizer.step()
        model.zero_grad(set_to_none=True)

    found = _timed(step, options, machine, not options.fp32)
    many = sum(parameter.numel() for parameter in model.parameters())
    return found | {"flops_per_token": model.estimate_flops(), "parameters": many}


def _loaded(loader: PackedLoader, tokens: int) -> float:
    """Tokens a second that the loader alone gives."""
    begun = time.perf_counter()
    for _ in range(LOADED_BATCHES):
        next(loader)
    return LOADED_BATCHES * tokens / (time.perf_counter() - begun)


def _timed(step: Callable[[], object], options: argparse.Namespace, machine: Machine, bf16: bool) -> dict[str, Any]:
    seconds = []
    for _ in range(WARM_STEPS + options.steps):
        begun = time.perf_counter()
        step()
        synchronize(machine)
        seconds.append(time.perf_counter() - begun)
    steady = sorted(seconds[WARM_STEPS:])
    tokens = options.rows * options.context
    return {
        "first": seconds[0],
        "tokens_per_second": tokens / steady[len(steady) // 2],
        "best": tokens / steady[0],
        "peak": matmul_peak(machine, torch.bfloat16 if bf16 else torch.float32),
    }


def _print(found: dict[str, Any]) -> None:
    print(f"machine          {found['machine']}, {'bf16' if found['bf16'] else 'fp32'}")
    print(f"model            {found['parameters']:,} parameters, {found['flops_per_token'] / 1e6:.1f} MFLOP a token")
    print(f"matmul peak      {found['peak'] / 1e9:,.0f} GFLOP/s")
    print(f"first step       {found['first']:.1f} s (compiles, if asked to)")
    for name in ("tokens_per_second", "best"):
        share = found[name] * found["flops_per_token"] / found["peak"]
        print(f"{name:<18} {found[name]:,.0f}, {share:.1%} of the peak")
    print(f"loader             {found['loader']:,.0f}, {found['loader'] / found['tokens_per_second']:,.0f} times that")
    times: dict[str, float] = found["parts"]
    total = left = sum(times.values())
    for part, names in PARTS.items():
        spent = sum(value for name, value in times.items() if name.startswith(names))
        left -= spent
        print(f"{part:<22} {spent / total:.1%}")
    print(f"{'the rest':<22} {left / total:.1%}")
    for name, value in sorted(times.items(), key=lambda item: -item[1])[:8]:
        print(f"    {value / total:6.1%} {name[:70]}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanochat", type=Path, help="a checkout, to compare with")
    for name, default in (("depth", 4), ("vocab", 32768), ("context", 512), ("rows", 16), ("micro-rows", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--peer-rows", type=int, default=16, help="nanochat's device batch size")
    parser.add_argument("--head-dim", type=int, default=128, help="nanochat's")
    parser.add_argument("--steps", type=int, default=10, help="steps measured")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--fp32", action="store_true")
    parser.add_argument("--side", choices=("tumbler", "nanochat"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
