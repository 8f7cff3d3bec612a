"""The one file that touches the device: ids in, logits out.

R rows of a step, T ids of a sequence, D model width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import torch
from torch import Tensor

from tumbler.engine.cache import SlotCache
from tumbler.engine.decoder import Decoder, Plan, Span
from tumbler.engine.graphs import Graphs, record_cuda
from tumbler.engine.products import Weights
from tumbler.engine.sampling import likeliest
from tumbler.engine.scheduler import Move
from tumbler.model import Transformer

LOGITS_AT_ONCE: Final = 2**24
"""Logits held at one time while scoring: 64 MiB in fp32, whatever the vocabulary."""


class Score(NamedTuple):
    """What the model makes of one id, given those before it."""

    logprob: float
    """Raw: at temperature 1, with nothing cut off."""
    likeliest: bool
    """Whether greedy decoding would have made it."""


@dataclass(frozen=True)
class PromptId:
    """What the model makes of an id of a prompt."""

    id: int
    score: Score
    top: tuple[tuple[int, float], ...] = ()
    """The likeliest ids at its place, and their raw log-probabilities."""


@dataclass(frozen=True)
class Read:
    """Ids that are read into a slot, from the place `start` on."""

    slot: int
    start: int
    ids: Sequence[int]


class Runner:
    """Runs the model over the slots' cache. Its methods hold inference mode only while they run."""

    def __init__(self, model: Transformer, slots: int, context: int, weights: Weights, compile: bool = False) -> None:
        self.context, self._weights, self._compile = context, weights, compile
        self.config = config = model.config
        self._decoder = self._made(model)
        self.device, dtype = self._decoder.device, self._decoder.dtype
        on_cuda = self.device.type == "cuda"
        self.cache = SlotCache(
            config.num_hidden_layers, slots + on_cuda, config.num_key_value_heads, config.head_dim, dtype, self.device
        )
        self._graphs = Graphs(self.cache, record_cuda) if on_cuda else None

    @torch.inference_mode()
    def step(self, moves: Sequence[Move], decode: Sequence[tuple[int, int]], reads: Sequence[Read]) -> Tensor:
        """Do the moves, read the ids (id, its place) of the slots 0, 1, ... and those of `reads`; the states (R, D)."""
        for move in moves:
            self.cache.move(move.source, move.target, move.length, move.exchange)
        longest = max((place + 1 for _, place in decode), default=0)
        self.cache.reserve(max([longest, *(read.start + len(read.ids) for read in reads)]), self.context)
        if self._graphs is not None and not reads:
            return self._graphs(self._decoder, decode)
        return self._decoder(self._plan(decode, reads), self.cache.keys, self.cache.values)

    @torch.inference_mode()
    def logits(self, states: Tensor) -> Tensor:
        """(R, D) -> (R, V)"""
        return self._decoder.logits(states)

    @torch.inference_mode()
    def score(self, sequences: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[Score]]:
        """The scores of each sequence's ids from its start (at least 1) on; beside the slots' cache.

        Only the states before these ids go through the head: of a long prompt with a short end, nearly none.
        """
        states = self._states(sequences)
        places, wanted, begin = list[int](), list[int](), 0
        for ids, start in zip(sequences, starts, strict=True):
            places += range(begin + start - 1, begin + len(ids) - 1)
            wanted += ids[start:]
            begin += len(ids)
        scores = (found.score for found in self.scores(states[places], wanted, top=0))
        counts = (max(0, len(ids) - start) for ids, start in zip(sequences, starts, strict=True))
        return [list(islice(scores, count)) for count in counts]

    @torch.inference_mode()
    def embed(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """(sequences, D) The mean of each one's last states, after the last norm, at length 1; fp32."""
        states = self._decoder.norm(self._states(sequences)).float()
        means = torch.stack([part.mean(0) for part in torch.split(states, [len(ids) for ids in sequences])])
        return torch.nn.functional.normalize(means, dim=-1)

    @torch.inference_mode()
    def scores(self, states: Tensor, wanted: Sequence[int], top: int) -> Iterator[PromptId]:
        """Of each of the ids that follow states (R, D); a bounded number of logits at a time."""
        rows = max(1, LOGITS_AT_ONCE // self.config.vocab_size)
        for start in range(0, len(wanted), rows):
            part = slice(start, start + rows)
            logits = self._decoder.logits(states[part]).float()
            whole, ids = logits.logsumexp(-1), torch.tensor(wanted[part], device=self.device)
            logprobs = logits.gather(-1, ids[:, None]).squeeze(-1) - whole
            greedy = (logits.argmax(-1) == ids).tolist()
            alternatives = likeliest(logits, whole, [top] * len(logits))
            yield from map(PromptId, wanted[part], map(Score, logprobs.tolist(), greedy), alternatives)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take other `weights`, in the dtype of the first ones; every parameter by its name, no other."""
        with torch.device("meta"):
            model = Transformer(self.config)
        decoder = self._decoder
        taken = {name: tensor.detach().to(decoder.device, decoder.dtype, copy=True) for name, tensor in weights.items()}
        model.load_state_dict(taken, assign=True)
        self._decoder = self._made(model)

    @torch.inference_mode()
    def _made(self, model: Transformer) -> Decoder:
        return Decoder(model, self._weights, self._compile)

    def _states(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """The states of all ids, one sequence after the other; beside the slots' cache."""
        reads = [Read(n, 0, ids) for n, ids in enumerate(sequences)]
        config, longest = self.config, max(map(len, sequences))
        # A layer reads only what it has itself just written, so all can use the same memory.
        shape = len(sequences), config.num_key_value_heads, longest, config.head_dim
        keys, values = (torch.zeros(shape, dtype=self._decoder.dtype, device=self.device) for _ in range(2))
        layers = config.num_hidden_layers
        return self._decoder(self._plan([], reads), [keys] * layers, [values] * layers)

    def _plan(self, decode: Sequence[tuple[int, int]], reads: Sequence[Read]) -> Plan:
        ids, positions = [id for id, _ in decode], [place for _, place in decode]
        slots, spans = list(range(len(decode))), []
        for read in reads:
            spans.append(Span(len(ids), len(read.ids), read.slot, read.start))
            ids += read.ids
            positions += range(read.start, read.start + len(read.ids))
            slots += [read.slot] * len(read.ids)
        longest = max((place + 1 for _, place in decode), default=0)
        rows = torch.tensor([ids, positions, slots], device=self.device)
        return Plan(rows[0], rows[1], rows[2], len(decode), longest, spans)
