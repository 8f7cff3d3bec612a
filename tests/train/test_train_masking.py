"""The masked objective: the right share, the right fates, never a special token; the same again after a resume."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tumbler.device import this_machine
from tumbler.model import Transformer, init_weights, sizes
from tumbler.train import IGNORE, Batch
from tumbler.train.masking import Masking, MaskingLoader
from tumbler.train.validation import validate

MASK, SPECIAL = 1005, (0, 7, *range(1000, 1010))


def batch(rows: int = 40, length: int = 500) -> Batch:
    ids = torch.from_numpy(np.random.default_rng(1).integers(0, 1004, (rows, length)))
    return Batch(ids, torch.full_like(ids, IGNORE), torch.zeros_like(ids), torch.zeros_like(ids))


@given(share=st.floats(0.05, 0.5))
def test_the_share_is_chosen_and_80_10_10_become_of_it(share: float) -> None:
    before = batch()
    after = Masking(share, MASK, 1010, SPECIAL)(before, np.random.default_rng(0))
    chosen = after.targets != IGNORE
    ordinary = ~torch.isin(before.ids, torch.tensor(SPECIAL))
    assert not chosen[~ordinary].any()
    assert torch.equal(after.targets[chosen], before.ids[chosen])
    assert torch.equal(after.ids[~chosen], before.ids[~chosen])
    assert abs(float(chosen[ordinary].float().mean()) - share) < 0.02
    shown = after.ids[chosen]
    assert abs(float((shown == MASK).float().mean()) - 0.8) < 0.03
    assert abs(float((shown == before.ids[chosen]).float().mean()) - 0.1) < 0.03
    others = shown[(shown != MASK) & (shown != before.ids[chosen])]
    assert not torch.isin(others, torch.tensor(SPECIAL)).any()
    assert abs(float(others.float().mean()) - 505) < 150  # of any ordinary tokens: 1 to 1003, as likely each
    assert len(others.unique()) > len(others) / 3


class Endless:
    def __init__(self) -> None:
        self.given = 0

    def __next__(self) -> Batch:
        self.given += 1
        return batch(2, 20)

    def state(self) -> dict[str, int]:
        return {"given": self.given}

    def load_state(self, state: dict[str, int]) -> None:
        self.given = state["given"]


def test_masks_differ_between_batches_and_repeat_after_a_resume() -> None:
    first = MaskingLoader(Endless(), Masking(0.3, MASK, 1010, SPECIAL), seed=0)  # type: ignore[arg-type]
    one, two = next(first), next(first)
    assert not torch.equal(one.targets, two.targets)
    saved, three = first.state(), next(first)
    again = MaskingLoader(Endless(), Masking(0.3, MASK, 1010, SPECIAL), seed=0)  # type: ignore[arg-type]
    again.load_state(saved)
    assert torch.equal(next(again).ids, three.ids)
    assert again.state() == first.state()
    other = MaskingLoader(Endless(), Masking(0.3, MASK, 1010, SPECIAL), seed=1)  # type: ignore[arg-type]
    assert not torch.equal(next(other).targets, one.targets)


def test_what_fills_up_the_last_row_is_never_hidden() -> None:
    class Short:
        lengths = (12,)

        def __len__(self) -> int:
            return 1

        def document(self, index: int, /) -> np.ndarray:
            return np.arange(1, 13)

    model = Transformer(sizes(1, 1010, 512, family="modernbert", width=64))
    init_weights(model, 0)
    sums = validate(model, Short(), 1, 10, 1, this_machine(), False, Masking(0.9, MASK, 1010, SPECIAL[2:]))
    assert 0 < sums.targets <= 12
