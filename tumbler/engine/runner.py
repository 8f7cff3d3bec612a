"""The one file that touches the device: prompts and ids in, logits out.

N rows of a step, T ids a row, D model, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

import torch
from torch import Tensor

from tumbler.engine.cache import SlotCache
from tumbler.model import Transformer

LOGITS_AT_ONCE: Final = 2**24
"""Logits held at one time while scoring: 64 MiB in fp32, whatever the vocabulary."""


class Score(NamedTuple):
    """What the model makes of one id, given those before it."""

    logprob: float
    """Raw: at temperature 1, with nothing cut off."""
    likeliest: bool
    """Whether greedy decoding would have made it."""


class Runner:
    """Runs the model over the slots' cache. Its methods hold inference mode only while they run."""

    def __init__(self, model: Transformer, slots: int, context: int) -> None:
        self.model = model
        self.context = context
        weight, config = model.head_weight, model.config
        self.device = weight.device
        self.cache = SlotCache(
            config.num_hidden_layers, slots, config.num_key_value_heads, config.head_dim, weight.dtype, weight.device
        )

    @torch.inference_mode()
    def prefill(self, prompts: Sequence[Sequence[int]], first: int) -> Tensor:
        """Read prompts into the slots from `first` on; the logits (N, V) that follow each."""
        self.cache.reserve(max(map(len, prompts)), self.context)
        ids = self._padded(prompts)
        positions = torch.arange(ids.shape[1], device=self.device).expand_as(ids)
        hidden = self.model.hidden(ids, positions, cache=self.cache.view(first, positions))
        ends = torch.tensor([len(prompt) - 1 for prompt in prompts], device=self.device)
        return self.model.logits(hidden[torch.arange(len(prompts), device=self.device), ends])

    @torch.inference_mode()
    def decode(self, ids: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """Read one id into each of the slots 0..N-1, which hold `lengths` ids so far; the logits (N, V) after it."""
        self.cache.reserve(max(lengths) + 1, self.context)
        positions = torch.tensor(lengths, device=self.device)[:, None]
        column = torch.tensor(ids, device=self.device)[:, None]
        hidden = self.model.hidden(column, positions, cache=self.cache.view(0, positions))
        return self.model.logits(hidden[:, -1])

    @torch.inference_mode()
    def move(self, source: int, target: int, length: int) -> None:
        self.cache.move(source, target, length)

    @torch.inference_mode()
    def score(self, sequences: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[Score]]:
        """The scores of each sequence's ids from its start (at least 1) on; without the cache.

        Only the states before these ids go through the head: of a long prompt with a short end, nearly none.
        """
        ids = self._padded(sequences)
        places = torch.arange(1, ids.shape[1], device=self.device)
        first = torch.tensor([*starts], device=self.device)[:, None]
        end = torch.tensor([len(sequence) for sequence in sequences], device=self.device)[:, None]
        judged = (first <= places) & (places < end)
        hidden = self.model.hidden(ids)[:, :-1][judged]
        scores = iter(self._scores(hidden, ids[:, 1:][judged]))
        counts = (max(0, len(sequence) - start) for sequence, start in zip(sequences, starts, strict=True))
        return [list(islice(scores, count)) for count in counts]

    def _scores(self, hidden: Tensor, targets: Tensor) -> Iterator[Score]:
        """Scores of targets (N,) after hidden (N, D), a bounded number of logits at a time."""
        rows = max(1, LOGITS_AT_ONCE // self.model.config.vocab_size)
        for states, wanted in zip(torch.split(hidden, rows), torch.split(targets, rows), strict=True):
            logits = self.model.logits(states).float()
            logprobs = logits.gather(-1, wanted[:, None]).squeeze(-1) - logits.logsumexp(-1)
            likeliest = logits.argmax(-1) == wanted
            yield from map(Score, logprobs.tolist(), likeliest.tolist())

    def _padded(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """(N, T) of the longest; the padding, id 0, stands after the end, where no real id attends to it."""
        longest = max(map(len, sequences))
        rows = [[*sequence, *[0] * (longest - len(sequence))] for sequence in sequences]
        return torch.tensor(rows, device=self.device)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Copy `weights` into the model, in its own dtype; every parameter by its name, no other."""
        self.model.load_state_dict(weights)
