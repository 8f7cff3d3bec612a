"""Muon, batched by shape, does what torch's does one matrix at a time."""

from __future__ import annotations

import pytest
import torch

from tumbler.train.muon import Muon, orthogonalize
from tumbler.train.schedule import rate

SHAPES = [(8, 8), (16, 8), (8, 16), (16, 8), (8, 8)]


def test_ten_steps_equal_torch_muon() -> None:
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in SHAPES]
    ours = [torch.nn.Parameter(tensor.clone()) for tensor in start]
    theirs = [torch.nn.Parameter(tensor.clone()) for tensor in start]
    # Both compute Newton-Schulz in bf16, but normalize before and after rounding to it: 1-2 % of the way apart.
    a = Muon(ours, lr=0.02, momentum=0.9, weight_decay=0.1)
    b = torch.optim.Muon(theirs, lr=0.02, momentum=0.9, weight_decay=0.1, nesterov=True)
    for _ in range(10):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            other.grad = mine.grad.clone()
        a.step()
        b.step()
    moved = [(mine - begin).norm() for mine, begin in zip(ours, start, strict=True)]
    for mine, other, distance in zip(ours, theirs, moved, strict=True):
        assert (mine - other).norm() < 0.04 * distance


@pytest.mark.parametrize("shape", [(4, 16, 8), (4, 8, 16), (1, 8, 8)])
def test_singular_values_come_near_one(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalize(matrices, torch.float32))
    assert ((values > 0.3) & (values < 1.3)).all()  # the quintic's band, for all but tiny singular values


def test_a_matrix_without_a_gradient_stays() -> None:
    still, moving = torch.nn.Parameter(torch.ones(4, 4)), torch.nn.Parameter(torch.ones(4, 4))
    moving.grad = torch.eye(4)
    Muon([still, moving], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(still, torch.ones(4, 4))
    assert not torch.equal(moving, torch.ones(4, 4))


def test_the_rate_rises_stays_and_falls() -> None:
    rates = [rate(step, steps=20, warmup=4, decay=0.25) for step in range(20)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5:15] == [1.0] * 10
    assert rates[15:] == pytest.approx([5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    assert rate(19, 20, 4, 0.25, floor=0.5) == 0.5
