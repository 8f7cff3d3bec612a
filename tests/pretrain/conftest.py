"""A machine for tiny tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from tumbler.device import this_machine
from tumbler.pretrain import stage
from tumbler.train import progress


@pytest.fixture(scope="module", autouse=True)
def small_machine() -> Iterator[None]:
    """Tiny tensors: one thread is faster than two that wait for each other, and the peak is not the subject."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "this_machine", lambda: replace(this_machine(), threads=1))
        patch.setattr(progress, "matmul_peak", lambda machine, dtype: 1e12)
        yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
