"""Decoding beside nanochat's engine: models of one size, each with random weights, each sampled by its own engine.

    python benchmarks/engine_nanochat.py --nanochat DIR --depth 12

DIR is a checkout of https://github.com/karpathy/nanochat. Both have the same matrix weights a layer (12 times the width
squared) and the same vocabulary, compute in bf16, and go on from one prompt with N samples (nanochat's way to fill a
batch) of --new tokens, at temperature 1 with top-k 50. Each side runs in a process of its own, in turns, --rounds
times; the best round counts. Tokens a second from the second token on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from tumbler.engine import Request, Sampler, Sampling
from tumbler.model import Transformer, init_weights, sizes

BATCHES = (1, 16)
OURS = ("tumbler", "tumbler --compile")
VOCABULARY, CONTEXT = 32_768, 1024
Figures = dict[str, float]


def main() -> None:
    options = _options()
    if options.side:
        print(json.dumps((_nanochat if options.side == "nanochat" else _tumbler)(options)))
        return
    best: dict[str, Figures] = {}
    for _ in range(options.rounds):
        for side in ("nanochat", *OURS):
            command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            found: Figures = json.loads(done.stdout.splitlines()[-1])
            known = best.setdefault(side, found)
            best[side] = {name: max(value, known[name]) for name, value in found.items()}
    names = list(best["nanochat"])
    print("tokens a second | " + " | ".join(names))
    for side, found in best.items():
        ratios = (f"{found[name]:.0f} ({found[name] / best['nanochat'][name]:.2f}x)" for name in names)
        print(f"{side} | " + " | ".join(ratios))


def _tumbler(options: argparse.Namespace) -> Figures:
    torch.set_num_threads(options.threads)
    model = Transformer(sizes(options.depth, VOCABULARY, CONTEXT))
    init_weights(model, 0)
    compile = options.side.endswith("--compile")
    model = model.bfloat16().eval()
    sampler = Sampler(model, slots=max(BATCHES), context=CONTEXT, weights="packed", compile=compile)

    def steps(count: int, prompt: list[int]) -> Iterable[Any]:
        """One item a step, that is for `count` tokens."""
        sampling = Sampling(options.new, temperature=1.0, top_k=50, seed=0)
        tokens = sampler.stream([Request(prompt, sampling)] * count)
        return (token for number, token in enumerate(tokens) if number % count == 0)

    return _rates(options, steps)


def _nanochat(options: argparse.Namespace) -> Figures:
    os.environ["NANOCHAT_DTYPE"] = "bfloat16"
    torch.set_num_threads(options.threads)
    sys.path.insert(0, str(options.nanochat))
    from nanochat.engine import Engine  # type: ignore[import-not-found]
    from nanochat.gpt import GPT, GPTConfig  # type: ignore[import-not-found]

    width = -(-options.depth * 64 // 128) * 128
    with torch.device("meta"):
        model = GPT(GPTConfig(CONTEXT, VOCABULARY, options.depth, width // 128, width // 128, width, "L"))
    model.to_empty(device="cpu")
    model.init_weights()
    model.eval()

    class NoMarks:
        """Ids that no model makes: nothing ends a row."""

        def encode_special(self, name: str) -> int:
            return -1

        def get_bos_token_id(self) -> int:
            return -1

    engine = Engine(model, NoMarks())
    return _rates(
        options,
        lambda count, prompt: engine.generate(prompt, count, max_tokens=options.new, temperature=1.0, top_k=50),
    )


def _rates(options: argparse.Namespace, steps: Any) -> Figures:
    found = Figures()
    for count in BATCHES:
        for _ in range(2):  # the first warms up
            stream = iter(steps(count, list(range(100, 100 + options.before))))
            next(stream)
            begun = time.perf_counter()
            made = sum(1 for _ in stream)
            found[f"batch {count}"] = made * count / (time.perf_counter() - begun)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanochat", type=Path, required=True)
    for name, default in (("depth", 12), ("before", 200), ("new", 64), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--side", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
