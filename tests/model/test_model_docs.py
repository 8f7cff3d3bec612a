"""docs/model.md names files, classes and functions that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
OPENAI = [
    *("default_hparams", "shape_list", "softmax", "gelu", "norm", "split_states", "merge_states", "conv1d"),
    *("attention_mask", "attn", "attn.split_heads", "attn.merge_heads", "attn.mask_attn_weights"),
    *("attn.multihead_attn", "mlp", "block", "past_shape", "expand_tile", "positions_for", "model"),
]
"""Every function of openai/gpt-2's src/model.py, inner ones after a dot."""


def source(name: str) -> str:
    """A file of the model's room, or of another's (`engine/cache.py`)."""
    places = [ROOT / "tumbler" / "model" / name, ROOT / "tumbler" / name]
    return next(place for place in places if place.is_file()).read_text(encoding="utf-8")


def counterparts() -> dict[str, str]:
    """Function of OpenAI's -> what the page says of it here."""
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in PAGE.splitlines() if line.startswith("| `")]
    return {name.strip("`"): here for name, here in rows if name.strip("`") in OPENAI}


def test_every_function_of_gpt2_has_its_counterpart() -> None:
    assert list(counterparts()) == OPENAI


def test_each_counterpart_is_where_the_page_says() -> None:
    for function, here in counterparts().items():
        files = re.findall(r"`([a-z0-9_/]+\.py)`", here)
        text = "".join(map(source, files))
        for name in re.findall(r"`([A-Za-z_][\w.]*)(?:\(.*?\)|\[.*?\])?`", here):
            if name not in files and not name.startswith(("Tensor.", "nn.")):
                assert name.split(".")[-1] in text, f"{function}: {name} is not in {files}"


def test_every_file_of_the_page_is_there() -> None:
    for name in re.findall(r"`([a-z0-9_/]+\.py)`", PAGE):
        assert name.startswith("gpt-2/") or name == "src/model.py" or source(name)
