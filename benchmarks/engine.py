"""Decoding and prefill on this machine, beside llama.cpp and transformers, in one run.

    python benchmarks/engine.py runs/smollm2

Every side runs in a process of its own, in turns, --rounds times; the best round of each counts, since other work on
the machine only ever slows. Decoding: tokens a second of N sequences, each with --before ids in its cache. Prefill: one
prompt of --prompt ids, which is the time to the first token too. GGUF files are made by `tumbler export gguf`.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tumbler.engine.runner import Read, Runner
from tumbler.exchange.export import export_gguf
from tumbler.model import load_model

BATCHES = (1, 8, 32)
WARM, STEPS = 5, 30
OURS = ("packed", "int8", "int4")
THEIRS = ("bf16", "q8_0", "q4_0")
Figures = dict[str, float]


def main() -> None:
    options = _options()
    if options.side:
        kind, _, what = options.side.partition(":")
        print(
            json.dumps({"tumbler": _tumbler, "llama.cpp": _llama, "transformers": _transformers}[kind](options, what))
        )
        return
    sides = [*(f"tumbler:{w}" for w in OURS), *(f"llama.cpp:{t}" for t in THEIRS), "transformers:bf16"]
    with tempfile.TemporaryDirectory() as folder:
        for kind in THEIRS:
            export_gguf(options.model, Path(folder) / f"{kind}.gguf", kind)
        best: dict[str, Figures] = {}
        for _ in range(options.rounds):
            for side in sides:
                found = _ask(options, side, folder)
                known = best.setdefault(side, found)
                best[side] = {name: max(value, known[name]) for name, value in found.items()}
    _table(best)


def _ask(options: argparse.Namespace, side: str, folder: str) -> Figures:
    command = [sys.executable, __file__, *sys.argv[1:], "--side", side, "--gguf", folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def _table(best: dict[str, Figures]) -> None:
    names = [*(f"batch {n}" for n in BATCHES), "prefill"]
    print("tokens a second | " + " | ".join(names))
    for side, found in best.items():
        print(f"{side} | " + " | ".join(f"{found[name]:.0f}" for name in names))

    def most(kind: str, name: str) -> float:
        return max(found[name] for side, found in best.items() if side.startswith(kind))

    rows = {
        "bf16 beside llama.cpp's bf16": [best["tumbler:packed"][n] / best["llama.cpp:bf16"][n] for n in names],
        "best beside llama.cpp's best": [most("tumbler", n) / most("llama.cpp", n) for n in names],
        "bf16 beside transformers": [best["tumbler:packed"][n] / best["transformers:bf16"][n] for n in names],
    }
    for name, ratios in rows.items():
        print(f"{name} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios))


Step = Callable[[int, int], None]
"""(N, place): N sequences read one id at that place."""
Prefill = Callable[[list[int]], None]


def _rates(options: argparse.Namespace, step: Step, prefill: Prefill) -> Figures:
    """Decoding: the median step."""
    draw, found = random.Random(0), Figures()
    ids = [draw.randrange(100, 1000) for _ in range(options.prompt)]
    for count in BATCHES:
        for place in range(options.before, options.before + WARM):
            step(count, place)
        first = options.before + WARM
        times = [_timed(step, count, place) for place in range(first, first + STEPS)]
        found[f"batch {count}"] = count / sorted(times)[STEPS // 2]
    prefill(ids)
    found["prefill"] = options.prompt / min(_timed(prefill, ids) for _ in range(5))
    return found


def _timed(work: Callable[..., None], *arguments: Any) -> float:
    begun = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begun


def _tumbler(options: argparse.Namespace, weights: Any) -> Figures:
    torch.set_num_threads(options.threads)
    runner = Runner(load_model(options.model, torch.bfloat16).eval(), max(BATCHES) + 1, 1024, weights, compile=True)

    def step(count: int, place: int) -> None:
        runner.logits(runner.step([], [(7, place)] * count, [])).argmax(-1)

    def prefill(ids: list[int]) -> None:
        runner.logits(runner.step([], [], [Read(max(BATCHES), 0, ids)])[-1:])

    return _rates(options, step, prefill)


@torch.inference_mode()
def _transformers(options: argparse.Namespace, dtype: str) -> Figures:
    from transformers import AutoModelForCausalLM, DynamicCache

    torch.set_num_threads(options.threads)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.bfloat16).eval()
    caches: dict[int, Any] = {}

    def step(count: int, place: int) -> None:
        if count not in caches:
            caches.clear()
            caches[count] = DynamicCache()
            model(torch.full((count, place), 7), past_key_values=caches[count])
        model(torch.full((count, 1), 7), past_key_values=caches[count]).logits[:, -1].argmax(-1)

    def prefill(ids: list[int]) -> None:
        model(torch.tensor([ids]), logits_to_keep=1)

    return _rates(options, step, prefill)


def _llama(options: argparse.Namespace, kind: str) -> Figures:
    import llama_cpp as llama

    llama.llama_backend_init()
    silent = llama.llama_log_callback(lambda *_: None)
    llama.llama_log_set(silent, None)
    path = str(options.gguf / f"{kind}.gguf").encode()
    model = llama.llama_model_load_from_file(path, llama.llama_model_default_params())
    asked = llama.llama_context_default_params()
    asked.n_ctx, asked.n_batch, asked.n_ubatch, asked.n_seq_max = max(BATCHES) * 512, 2048, 512, max(BATCHES)
    asked.n_threads = asked.n_threads_batch = options.threads
    asked.kv_unified = False
    context = llama.llama_init_from_model(model, asked)
    memory, batch = llama.llama_get_memory(context), llama.llama_batch_init(2048, 0, 1)
    held = {"count": 0}

    def read(rows: list[tuple[int, int, int, bool]]) -> None:
        """(id, place, sequence, whether its logits are wanted)"""
        batch.n_tokens = len(rows)
        for n, (id, place, sequence, wanted) in enumerate(rows):
            batch.token[n], batch.pos[n], batch.n_seq_id[n] = id, place, 1
            batch.seq_id[n][0], batch.logits[n] = sequence, int(wanted)
        assert llama.llama_decode(context, batch) == 0
        llama.llama_synchronize(context)

    def step(count: int, place: int) -> None:
        if held["count"] != count:
            llama.llama_memory_clear(memory, True)
            for sequence in range(count):
                read([(7, at, sequence, False) for at in range(place)])
            held["count"] = count
        read([(7, place, sequence, True) for sequence in range(count)])

    def prefill(ids: list[int]) -> None:
        llama.llama_memory_clear(memory, True)
        read([(id, at, 0, at == len(ids) - 1) for at, id in enumerate(ids)])

    return _rates(options, step, prefill)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--before", type=int, default=200)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--gguf", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
