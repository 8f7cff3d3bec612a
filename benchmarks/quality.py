"""Pretraining quality in equal time: validation bits per byte, beside nanochat, on the same token shards.

    python benchmarks/quality.py --nanochat DIR --tokens runs/mine/tokens --depth 4 --minutes 20 --seed 0 1 2
    python benchmarks/quality.py --plot

DIR is a checkout of https://github.com/karpathy/nanochat; the tokens are an artifact of tumbler's. Each side runs in
a process of its own, in turns, and appends a line to --out; finished runs are not run again, and one that was killed
goes on from its last look at the validation documents (its weights lie in a folder beside --out). nanochat keeps its
loader (rows begin with a document's begin and are filled by best fit), its optimizer, rates, schedules and the rules by
which its scripts/base_train.py scales them to the batch and the number of steps. How many steps the minutes allow comes
from --rate (tokens a second of nanochat and of tumbler, as benchmarks/pretrain.py gives them on a quiet machine; then
other work beside a run changes nothing), or is measured first; compiling and the looks at the validation documents are
not counted. Both are judged alike, twice: on the first --context tokens of validation documents (the only part of them
that nanochat's loader would train on), and on pieces of all of their text.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tumbler.device import autocast, prepare, this_machine
from tumbler.model import Transformer, init_weights, sizes
from tumbler.pretrain.dial import EMBEDDING_RATE
from tumbler.text.shards import Shards
from tumbler.text.tokenizer import Tokenizer
from tumbler.train import (
    IGNORE,
    LearningRates,
    Objective,
    PackedLoader,
    TrainPlan,
    TrainState,
    make_optimizers,
    resume,
    save_state,
    train,
)

TIMED_STEPS = 8
LOOKS = 6
VAL_PIECES = 160
VAL_ROWS = 8
Losses = Callable[[Tensor, Tensor], Tensor]
"""ids, targets (B, T; IGNORE where none) -> summed loss in nats."""


@dataclass(frozen=True)
class Run:
    """One side's training: one step at a time, and how it is judged."""

    step: Callable[[int, int], None]
    """(step, steps): take it."""
    losses: Losses
    restart: Callable[[], None]
    """Begin anew with the first weights."""
    save: Callable[[Path], None]
    go_on: Callable[[Path, int, int], None]
    """(folder that save wrote, steps done, steps): take up there."""


def main() -> None:
    options = _options()
    if options.plot:
        _plot(options)
    elif options.side:
        _run(options)
    else:
        done = {(line["side"], line["depth"], line["seed"], line["trial"]) for line in _lines(options.out)}
        for seed in options.seed:
            for side in ("nanochat", "tumbler"):
                if (side, options.depth, seed, options.trial) not in done:
                    command = [sys.executable, __file__, *sys.argv[1:], "--side", side, "--one", str(seed)]
                    subprocess.run(command, check=True)


def _run(options: argparse.Namespace) -> None:
    machine = this_machine()
    prepare(machine)
    tokenizer, train_shards = Tokenizer.load(options.tokens / "tokenizer"), Shards.open(options.tokens / "train")
    judges = _judges(Shards.open(options.tokens / "val"), tokenizer, options.context)
    made = (_tumbler if options.side == "tumbler" else _nanochat)(options, tokenizer, train_shards)
    kept = options.out.with_suffix("") / f"{options.side}-d{options.depth}-{options.one}{options.trial}"
    if (kept / "run.json").exists():
        each, curve = json.loads((kept / "run.json").read_text())
    else:
        each, curve = _seconds_a_step(made, options), []
    steps = max(1, round(options.minutes * 60 / each))
    made.restart()
    done = curve[-1][1] if curve else 0
    if done:
        made.go_on(kept / str(done), done, steps)
    for number in range(done, steps):
        made.step(number, steps)
        if (number + 1) % max(1, steps // LOOKS) == 0 or number + 1 == steps:
            spent = (number + 1) * each
            bits = [round(judge(made.losses), 5) for judge in judges]
            curve.append((round(spent, 1), number + 1, *bits))
            where = f"{options.side} d{options.depth} seed {options.one}: {spent:.0f} s, step {number + 1}/{steps}"
            print(f"{where}, bits a byte of beginnings {bits[0]:.4f}, of all text {bits[1]:.4f}", flush=True)
            _keep(made, kept, each, curve)
    line = {"side": options.side, "depth": options.depth, "seed": options.one, "trial": options.trial}
    line |= {"tokens": steps * options.rows * options.context, "seconds": round(steps * each), "curve": curve}
    with options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    shutil.rmtree(kept)


def _keep(made: Run, folder: Path, each: float, curve: list[tuple[float, ...]]) -> None:
    """The seconds a step, which are not to be measured anew: the schedule goes by them; and the curve, which is written
    last and names the folder that it goes with."""
    made.save(folder / str(curve[-1][1]))
    (folder / "run.part").write_text(json.dumps([each, curve]))
    (folder / "run.part").replace(folder / "run.json")
    for older in curve[:-1]:
        shutil.rmtree(folder / str(older[1]), ignore_errors=True)


def _seconds_a_step(made: Run, options: argparse.Namespace) -> float:
    if options.rate:
        return float(options.rows * options.context / options.rate[options.side == "tumbler"])
    made.restart()
    begun = 0.0
    for number in range(2 + TIMED_STEPS):
        begun = time.perf_counter() if number == 2 else begun
        made.step(number, 10_000)
    return (time.perf_counter() - begun) / TIMED_STEPS


class _Judge:
    """Bits per byte of validation text; special tokens are neither asked nor counted."""

    def __init__(self, pieces: list[Tensor], tokenizer: Tokenizer) -> None:
        bytes_of = torch.tensor([len(tokenizer.decode_bytes([id])) for id in range(tokenizer.vocab_size)])
        bytes_of[list(tokenizer.special.values())] = 0
        pad = torch.nn.utils.rnn.pad_sequence
        targets = pad([piece[1:] for piece in pieces], batch_first=True, padding_value=IGNORE)
        self.ids = pad([piece[:-1] for piece in pieces], batch_first=True)
        counts = torch.where(targets == IGNORE, 0, bytes_of[targets.clamp(min=0)])
        self.bytes, self.targets = int(counts.sum()), torch.where(counts > 0, targets, IGNORE)

    def __call__(self, losses: Losses) -> float:
        parts = zip(self.ids.split(VAL_ROWS), self.targets.split(VAL_ROWS), strict=True)
        with torch.no_grad():
            return sum(float(losses(ids, targets)) for ids, targets in parts) / math.log(2) / self.bytes


def _judges(shards: Shards, tokenizer: Tokenizer, context: int) -> list[_Judge]:
    """One of the documents' beginnings, one of all their text, cut to the context; each piece after a begin token."""
    documents = [torch.from_numpy(shards.document(n).astype(np.int64)) for n in range(len(shards))]
    every = [piece for document in documents for piece in document[1:].split(context)]
    begin = torch.tensor([tokenizer.bos])
    whole = [torch.cat((begin, piece)) for piece in every[:: max(1, len(every) // VAL_PIECES)]]
    return [
        _Judge([document[: context + 1] for document in documents[:VAL_PIECES]], tokenizer),
        _Judge(whole, tokenizer),
    ]


def _tumbler(options: argparse.Namespace, tokenizer: Tokenizer, shards: Shards) -> Run:
    machine = this_machine()
    config = replace(
        sizes(options.depth, tokenizer.vocab_size, options.context, kv_heads=options.kv_heads),
        tie_word_embeddings=options.tied,
    )
    model = Transformer(config)
    objective = Objective(model, machine, machine.bf16, compile=True)
    running: list[tuple[TrainState, Iterator[object]]] = []
    plan = TrainPlan(1, options.warmup, options.decay, options.clip, options.micro_rows, options.floor)

    def restart() -> None:
        init_weights(model, options.one)
        running.clear()

    def begin(steps: int) -> TrainState:
        rates = LearningRates(options.matrix_rate, options.other_rate, options.embedding_rate)
        optimizers = make_optimizers(model, rates, options.weight_decay, machine.bf16)
        loader = PackedLoader(shards, options.rows, options.context, options.one, options.document_tokens)
        state = TrainState(model, optimizers, loader)
        running.append((state, train(state, objective, replace(plan, steps=steps), machine)))
        return state

    def step(number: int, steps: int) -> None:
        if not running:
            begin(steps)
        next(running[0][1])

    def save(folder: Path) -> None:
        save_state(running[0][0], folder)

    def go_on(folder: Path, done: int, steps: int) -> None:
        resume(begin(steps), folder)

    def losses(ids: Tensor, targets: Tensor) -> Tensor:
        with autocast(machine, machine.bf16):
            logits = model(ids)
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORE, reduction="sum"
        )

    return Run(step, losses, restart, save, go_on)


def _nanochat(options: argparse.Namespace, tokenizer: Tokenizer, shards: Shards) -> Run:
    """Its own model, optimizer, schedules and loader, over our shards."""
    os.environ["NANOCHAT_DTYPE"] = "bfloat16"
    sys.path.insert(0, str(options.nanochat))
    import nanochat.dataloader as loading  # type: ignore[import-not-found]
    from nanochat.gpt import GPT, GPTConfig  # type: ignore[import-not-found]

    def config(depth: int) -> Any:
        width = -(-depth * 64 // 128) * 128
        return GPTConfig(options.context, tokenizer.vocab_size, depth, width // 128, width // 128, width, "L")

    def built(depth: int) -> Any:
        with torch.device("meta"):
            return GPT(config(depth))

    def scaling(model: Any) -> int:
        counts = model.num_scaling_params()
        return int(counts["transformer_matrices"] + counts["lm_head"])

    def documents(split: str, place: object, batch: int) -> Iterator[tuple[list[Any], tuple[int, int, int]]]:
        order = np.random.default_rng(options.one)
        while True:
            numbers = order.permutation(len(shards))
            for start in range(0, len(numbers), batch):
                # The begin token is its tokenizer's `prepend`; it knows no end token.
                yield [shards.document(int(n))[1:-1].tolist() for n in numbers[start : start + batch]], (0, 0, 1)

    class Ids:
        def get_bos_token_id(self) -> int:
            return tokenizer.bos

        def encode(self, batch: list[list[int]], prepend: int, num_threads: int) -> list[list[int]]:
            return [[prepend, *ids] for ids in batch]

    loading._document_batches = documents
    model = built(options.depth)
    model.to_empty(device="cpu")
    compiled = torch.compile(model, dynamic=False)
    parts, reference = options.rows // options.peer_rows, 12 * scaling(built(12))
    batch_tokens = options.rows * options.context
    held: dict[str, Any] = {}

    def restart() -> None:
        torch.manual_seed(options.one)
        model.init_weights()
        held.clear()

    def begin(steps: int) -> None:
        ratio, tokens = batch_tokens / 2**19, steps * batch_tokens
        scale = options.peer_scale * ratio**0.5
        held["decay"] = options.peer_decay * 0.28 * math.sqrt(ratio) * reference / tokens
        held["optimizer"] = model.setup_optimizer(
            unembedding_lr=0.008 * scale, embedding_lr=0.3 * scale, scalar_lr=0.5 * scale, matrix_lr=0.02 * scale,
            weight_decay=held["decay"],
        )  # fmt: skip
        stub, rows = Ids(), options.peer_rows
        held["batches"] = loading.tokenizing_distributed_data_loader_bos_bestfit(
            stub, rows, options.context, "train", device="cpu"
        )

    def step(number: int, steps: int) -> None:
        if not held:
            begin(steps)
        for _ in range(parts):
            x, y = next(held["batches"])
            (compiled(x, y) / parts).backward()
        down, warmup = round(0.65 * steps), options.peer_warmup
        left = (steps - number) / down if down else 1.0
        rate = (number + 1) / warmup if number < warmup else min(1.0, left + (1 - left) * 0.05)
        momentum = 0.97 + (0.85 - 0.97) * max(0.0, 1 - number / 400)
        if number >= 400 and number >= steps - down:
            momentum = 0.97 - 0.07 * (number - (steps - down)) / down
        for group in held["optimizer"].param_groups:
            group["lr"] = group["initial_lr"] * rate
            if group["kind"] == "muon":
                group["momentum"] = momentum
                group["weight_decay"] = held["decay"] * 0.5 * (1 + math.cos(math.pi * number / steps))
        held["optimizer"].step()
        model.zero_grad(set_to_none=True)

    def moments() -> list[dict[str, Any]]:
        optimizer = held["optimizer"]
        return [optimizer.state[weight] for group in optimizer.param_groups for weight in group["params"]]

    def save(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(
            {"model": model.state_dict(), "moments": [dict(moment) for moment in moments()]}, folder / "state.pt"
        )

    def go_on(folder: Path, done: int, steps: int) -> None:
        begin(steps)
        state = torch.load(folder / "state.pt")
        model.load_state_dict(state["model"])
        for moment, was in zip(moments(), state["moments"], strict=True):
            moment.update(was)
        for _ in range(done * parts):
            next(held["batches"])

    def losses(ids: Tensor, targets: Tensor) -> Tensor:
        out: Tensor = model(ids, torch.where(targets == IGNORE, -1, targets), loss_reduction="sum")
        return out

    return Run(step, losses, restart, save, go_on)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _plot(options: argparse.Namespace) -> None:
    import matplotlib.pyplot as plt

    lines = _lines(options.out)
    depths = sorted({line["depth"] for line in lines})
    figure, axes = plt.subplots(1, len(depths), figsize=(6 * len(depths), 4.2), squeeze=False)
    for axis, depth in zip(axes[0], depths, strict=True):
        for side, colour in (("nanochat", "tab:orange"), ("tumbler", "tab:blue")):
            chosen = [line for line in lines if line["depth"] == depth and line["side"] == side]
            for line in chosen:
                label = side if line is chosen[0] else None
                seconds, _, beginnings, whole = zip(*line["curve"], strict=True)
                minutes = [s / 60 for s in seconds]
                axis.plot(minutes, whole, color=colour, label=label and f"{label}, all text")
                axis.plot(minutes, beginnings, color=colour, linestyle=":", label=label and f"{label}, beginnings")
            ends = ", ".join(f"{line['curve'][-1][2]:.4f} {line['curve'][-1][3]:.4f}" for line in chosen)
            print(f"d{depth} {side}: {ends}")
        axis.set(title=f"depth {depth}", xlabel="minutes of training", ylabel="validation bits per byte")
        axis.legend()
    figure.tight_layout()
    figure.savefig(options.out.with_suffix(".png"), dpi=120)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanochat", type=Path)
    parser.add_argument("--tokens", type=Path)
    parser.add_argument("--out", type=Path, default=Path("quality.jsonl"))
    parser.add_argument("--plot", action="store_true", help="draw --out")
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, nargs=2, metavar=("NANOCHAT", "TUMBLER"), help="tokens a second of each")
    parser.add_argument("--trial", default="", help="a name for other rates, kept in the line")
    for name, default in (("depth", 4), ("context", 512), ("rows", 16), ("micro-rows", 8), ("peer-rows", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, value in (("matrix-rate", 0.02), ("other-rate", 3e-3), ("weight-decay", 0.0), ("decay", 0.5)):
        parser.add_argument(f"--{name}", type=float, default=value)
    peer = (("peer-scale", 1.0), ("peer-decay", 1.0), ("peer-warmup", 40))
    for name, value in (("floor", 0.0), ("clip", 1.0), *peer):
        parser.add_argument(f"--{name}", type=float, default=value)
    parser.add_argument("--embedding-rate", type=float, default=EMBEDDING_RATE)
    parser.add_argument("--document-tokens", type=int, help="of each document tumbler reads the first so many")
    parser.add_argument("--kv-heads", type=int)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--tied", action="store_true")
    parser.add_argument("--side", choices=("tumbler", "nanochat"), help=argparse.SUPPRESS)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
