"""Views of a run, from its metrics.jsonl: that survives a kill, memory does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tumbler.views import Curve, Samples

Line = Mapping[str, float | int | str]


def loss_curve(lines: Sequence[Line]) -> Curve:
    """Training and validation loss over the steps."""
    series = tuple(
        (name, tuple((float(line["step"]), float(line[key])) for line in lines if key in line))
        for name, key in (("train", "loss"), ("validation", "val_loss"))
    )
    return Curve("Pretraining", "step", "loss (nats a token)", series)


def speed_curve(lines: Sequence[Line]) -> Curve:
    points = tuple((float(line["step"]), float(line["tok_per_s"])) for line in lines if "tok_per_s" in line)
    return Curve("Pretraining speed", "step", "tokens a second", (("train", points),))


def watched_curve(lines: Sequence[Line], watch: tuple[str, str]) -> Curve:
    """How the probability of one next token grows."""
    text, following = watch
    points = tuple((float(line["step"]), float(line["watched"])) for line in lines if "watched" in line)
    return Curve(f"The probability of one next token: {text}", "step", f"p({following!r})", (("train", points),))


def completions(lines: Sequence[Line]) -> Samples:
    """What the model made of each prompt, latest step first."""
    found = [
        (str(line["prompt"]), str(line["completion"]), f"step {line['step']}, greedy")
        for line in lines
        if "completion" in line
    ]
    found.sort(key=lambda item: -int(item[2].split()[1].rstrip(",")))
    return Samples("Completions of the base model while it trains", tuple(found))
