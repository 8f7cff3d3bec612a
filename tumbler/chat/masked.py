"""`tumbler fill-mask`: what a masked model says of the holes of a text, or of a whole text."""

from __future__ import annotations

import math
from pathlib import Path

from tumbler.engine import fill, pseudo_log_likelihood
from tumbler.errors import UserError
from tumbler.model import Transformer, load_model
from tumbler.text.masked import masked_ids
from tumbler.text.special import MASK
from tumbler.text.tokenizer import Tokenizer
from tumbler.views import Table


def table(folder: Path, text: str, k: int) -> Table:
    """For each mask its k likeliest tokens; of a text without one, how likely each token is, the others given."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder of a masked model, such as runs/mlm/pretrain")
    model, tokenizer = load_model(folder).eval(), Tokenizer.load(folder)
    ids = masked_ids(tokenizer, text)
    return _filled(model, tokenizer, ids, k) if MASK in text else _scored(model, tokenizer, ids)


def _filled(model: Transformer, tokenizer: Tokenizer, ids: list[int], k: int) -> Table:
    found = fill(model, ids, tokenizer.special[MASK], k)
    rows = [
        (number, tokenizer.decode([id]), round(share, 4)) for number, mask in enumerate(found, 1) for id, share in mask
    ]
    return Table("What stands behind each mask", ("mask", "token", "probability"), tuple(rows))


def _scored(model: Transformer, tokenizer: Tokenizer, ids: list[int]) -> Table:
    places = range(1, len(ids) - 1)
    scores = pseudo_log_likelihood(model, ids, tokenizer.special[MASK], places)
    rows = [
        (tokenizer.decode([ids[place]]), round(math.exp(score), 4)) for place, score in zip(places, scores, strict=True)
    ]
    title = f"Pseudo-log-likelihood {sum(scores):.3f} nats, {sum(scores) / len(scores):.3f} a token"
    return Table(title, ("token", "probability, the others given"), tuple(rows))
