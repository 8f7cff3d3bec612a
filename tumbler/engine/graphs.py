"""Decoding on an accelerator: a step's kernels are recorded once for a number of rows, then started with one call.

R rows of a recording, N of a step (at most R), D model width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tumbler.engine.cache import SlotCache
from tumbler.engine.decoder import Decoder, Plan

Replay = Callable[[], Tensor]
Record = Callable[[Replay], Replay]
"""A function of tensors that stay in their places -> one that does the same work again."""
WARM_UPS = 3
"""Runs before a recording, in which libraries choose their kernels and take their memory (as torch's docs have it)."""


class Graphs:
    """Steps in which all rows decode. What is recorded holds for one decoder, and while the cache does not grow.

    A recording is of a power of two of rows; the spare ones write to the cache's last slot, which nobody else has.
    """

    def __init__(self, cache: SlotCache, record: Record) -> None:
        self._cache, self._record = cache, record
        self._holds_for: tuple[Decoder | None, int] = None, 0
        self._recorded: dict[int, tuple[Tensor, Replay]] = {}

    def __call__(self, decoder: Decoder, decode: Sequence[tuple[int, int]]) -> Tensor:
        """(id, its place) of the slots 0, 1, ... -> states (N, D), until the next call."""
        if self._holds_for != (decoder, self._cache.capacity):
            self._recorded.clear()
            self._holds_for = decoder, self._cache.capacity
        count = min(1 << (len(decode) - 1).bit_length(), self._cache.slots - 1)
        spare = [(0, 0, self._cache.slots - 1)] * (count - len(decode))
        rows = torch.tensor([*((id, place, slot) for slot, (id, place) in enumerate(decode)), *spare]).t()
        if count not in self._recorded:
            self._recorded[count] = self._recording(decoder, rows.to(self._cache.device))
        held, replay = self._recorded[count]
        held.copy_(rows)
        return replay()[: len(decode)]

    def _recording(self, decoder: Decoder, rows: Tensor) -> tuple[Tensor, Replay]:
        cache = self._cache

        def step() -> Tensor:
            plan = Plan(rows[0], rows[1], rows[2], rows.shape[1], cache.capacity, (), fixed=True)
            return decoder(plan, cache.keys, cache.values)

        return rows, self._record(step)


def record_cuda(step: Replay) -> Replay:
    """By a CUDA graph."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        states = step()

    def replay() -> Tensor:
        graph.replay()
        return states

    return replay
