"""The sampler: with its cache and batch it makes what the bare model makes, and frees what it holds."""

from __future__ import annotations

import random

import pytest
import torch
from support import random_model

from tumbler.engine import Item, Load, Request, Sampler, Sampling, Token
from tumbler.errors import Failure, UserError
from tumbler.model import Transformer

MARGIN = 1e-3
"""Two ids may change places between batch shapes only when their logits are this close."""


def prompts(count: int, longest: int = 20) -> list[list[int]]:
    made = random.Random(5)
    return [[made.randrange(97) for _ in range(made.randint(1, longest))] for _ in range(count)]


def greedy(ids: list[int], max_tokens: int = 15, stop_ids: tuple[int, ...] = ()) -> Request:
    return Request(ids, Sampling(max_tokens, temperature=0, stop_ids=stop_ids))


def drawn(ids: list[int], seed: int, max_tokens: int = 12) -> Request:
    return Request(ids, Sampling(max_tokens, temperature=1.3, top_p=0.9, seed=seed))


@torch.no_grad()
def assert_greedy_under(model: Transformer, prompt: list[int], made: tuple[int, ...]) -> None:
    """Teacher-forced: each id is the bare model's likeliest after those before it, or within MARGIN of it."""
    logits = model(torch.tensor([[*prompt, *made]]))[0, len(prompt) - 1 : -1]
    chosen = logits.gather(-1, torch.tensor(made)[:, None]).squeeze(-1)
    assert (logits.amax(-1) - chosen < MARGIN).all()


@pytest.mark.parametrize("slots", [1, 3, 8, 64])
def test_greedy_in_any_batch_is_the_bare_models_argmax(model: Transformer, slots: int) -> None:
    asked = [greedy(ids, max_tokens=1 + place % 15) for place, ids in enumerate(prompts(40))]
    for request, completion in zip(asked, Sampler(model, slots=slots).sample(asked), strict=True):
        assert len(completion.ids) == request.sampling.max_tokens
        assert completion.finish == "length"
        assert_greedy_under(model, list(request.ids), completion.ids)


def test_a_cache_that_grows_while_requests_run_keeps_what_it_holds(
    model: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tumbler.engine.cache.GROWTH", 2)
    asked = [greedy(ids, 40) for ids in prompts(3)]
    for request, completion in zip(asked, Sampler(model, slots=2).sample(asked), strict=True):
        assert_greedy_under(model, list(request.ids), completion.ids)


def test_a_request_makes_the_same_ids_alone_and_beside_others(model: Transformer) -> None:
    asked = [drawn(ids, seed) if seed % 2 else greedy(ids) for seed, ids in enumerate(prompts(24))]
    together = [completion.ids for completion in Sampler(model, slots=5).sample(asked)]
    alone = [Sampler(model, slots=1).sample([request])[0].ids for request in asked]
    assert together == alone


def test_seeds_repeat_and_differ(model: Transformer) -> None:
    asked = [drawn([3, 4], seed) for seed in (1, 1, 2, 3, 4)]
    made = [completion.ids for completion in Sampler(model).sample(asked)]
    assert made[0] == made[1]
    assert len(set(made)) == 4
    unseeded = [Request([3, 4], Sampling(12, temperature=1.3)) for _ in range(4)]
    assert len({completion.ids for completion in Sampler(model).sample(unseeded)}) == 4


def test_a_stop_id_ends_the_request_and_is_its_last_id(model: Transformer) -> None:
    sampler = Sampler(model)
    free = sampler.sample([greedy([1, 2, 3], 10)])[0]
    stop = free.ids[4]
    stopped = sampler.sample([greedy([1, 2, 3], 10, (stop,))])[0]
    assert stopped.finish == "stop"
    assert stopped.ids == free.ids[: free.ids.index(stop) + 1]


def test_a_full_context_ends_the_request(model: Transformer) -> None:
    completion = Sampler(model, context=10).sample([greedy([1, 2, 3], 1000)])[0]
    assert completion.finish == "length"
    assert len(completion.ids) == 7
    assert len(Sampler(model).sample([greedy([1] * 63, 1000)])[0].ids) == 1


def test_logprobs_are_the_models_own_and_those_drawn_from(model: Transformer) -> None:
    sampler = Sampler(model)
    plain = sampler.sample([Request([5, 6], Sampling(8, seed=1))])[0]
    scored = sampler.score([[5, 6, *plain.ids]])[0]
    assert plain.raw_logprobs == pytest.approx(scored[1:], abs=1e-4)
    assert plain.logprobs == pytest.approx(plain.raw_logprobs, abs=1e-5)
    cut = sampler.sample([Request([5, 6], Sampling(8, seed=1, top_k=1))])[0]
    assert cut.logprobs == pytest.approx([0.0] * 8)


@torch.no_grad()
def test_score_is_the_bare_models_log_softmax_at_any_grouping(
    model: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tumbler.engine.runner.LOGITS_AT_ONCE", 97 * 7)
    monkeypatch.setattr("tumbler.engine.sampler.SCORED_IDS", 50)
    sequences = [[], [4], *prompts(30)]
    for ids, found in zip(sequences, Sampler(model).score(sequences), strict=True):
        wanted = []
        if len(ids) > 1:
            logprobs = model(torch.tensor([ids]))[0].log_softmax(-1)
            wanted = [float(logprobs[place, after]) for place, after in enumerate(ids[1:])]
        assert found == pytest.approx(wanted, abs=1e-4)


@torch.no_grad()
def test_scores_from_a_place_on_tell_what_greedy_decoding_would_have_made(
    model: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tumbler.engine.runner.LOGITS_AT_ONCE", 97 * 7)
    monkeypatch.setattr("tumbler.engine.sampler.SCORED_IDS", 50)
    sampler = Sampler(model)
    sequences = [[*ids, *sampler.sample([greedy(ids, 3)])[0].ids, 1, 2] for ids in prompts(20)]
    starts = [1 + place % len(ids) for place, ids in enumerate(sequences)]
    for ids, start, found in zip(sequences, starts, sampler.score_from(sequences, starts), strict=True):
        logits = model(torch.tensor([ids]))[0]
        made = logits.argmax(-1).tolist()
        assert [score.likeliest for score in found] == [made[n - 1] == ids[n] for n in range(start, len(ids))]
        wanted = [float(logits[n - 1].log_softmax(-1)[ids[n]]) for n in range(start, len(ids))]
        assert [score.logprob for score in found] == pytest.approx(wanted, abs=1e-4)


def test_streams_side_by_side_share_the_batch_and_get_their_own_tokens(model: Transformer) -> None:
    sampler = Sampler(model, slots=4)
    alone = [list(Sampler(model).stream([drawn(ids, 1)])) for ids in prompts(2)]
    first, second = (sampler.stream([drawn(ids, 1)]) for ids in prompts(2))
    interleaved = list(zip(first, second, strict=True))
    assert [token.id for token, _ in interleaved] == [token.id for token in alone[0]]
    assert [token.id for _, token in interleaved] == [token.id for token in alone[1]]


def test_closing_a_stream_frees_its_slots_and_leaves_the_others_right(model: Transformer) -> None:
    sampler = Sampler(model, slots=3)
    kept_request = greedy([9, 8, 7], 20)
    closed = sampler.stream([greedy(ids, 40) for ids in prompts(5)])
    next(closed)
    kept = sampler.stream([kept_request])
    next(closed)
    closed.close()
    assert [token.id for token in kept] == list(Sampler(model).sample([kept_request])[0].ids)
    assert not sampler.step()


def test_an_impossible_request_is_refused_before_anything_runs(model: Transformer) -> None:
    sampler = Sampler(model)
    for ids, message in (
        ([], "request 1: has no ids"),
        ([1] * 64, "request 1: the prompt has 64 tokens, but the model's context holds 64"),
        ([97], r"request 1: an id is outside the vocabulary \(0 to 96\)"),
        ([-1], "outside the vocabulary"),
    ):
        with pytest.raises(UserError, match=message):
            sampler.sample([greedy([1]), greedy(ids)])
        assert not sampler.step()
    with pytest.raises(UserError, match="sequence 0 has 65 ids"):
        sampler.score([[1] * 65])


def test_update_takes_other_weights_and_stamps_their_version(model: Transformer) -> None:
    sampler = Sampler(Transformer(model.config))
    sampler.update(model.state_dict(), version=7)
    completion = sampler.sample([greedy([1, 2])])[0]
    assert completion.version == 7
    assert completion.ids == Sampler(model).sample([greedy([1, 2])])[0].ids


def test_an_update_runs_what_is_under_way_to_its_end_with_the_old_weights(model: Transformer) -> None:
    sampler, items = Sampler(model), list[Item]()
    sampler.submit(greedy([1, 2]), items.append)
    sampler.step()
    sampler.update(other_weights(model), version=1)
    assert [item.id for item in items if isinstance(item, Token)] == list(
        Sampler(model).sample([greedy([1, 2])])[0].ids
    )


def test_an_update_that_aborts_fails_what_is_under_way(model: Transformer) -> None:
    sampler = Sampler(model)
    stream = sampler.stream([greedy([1, 2])])
    next(stream)
    sampler.update(other_weights(model), version=1, abort=True)
    with pytest.raises(Failure, match="weights were changed while it answered"):
        list(stream)
    assert sampler.load == Load(0, 0, 0)


def test_nothing_that_old_weights_have_read_is_taken_over(model: Transformer) -> None:
    sampler, prompt = Sampler(model), list(range(40))
    sampler.sample([greedy(prompt)])
    sampler.update(other_weights(model), version=1)
    fresh = Sampler(Transformer(model.config))
    fresh.update(other_weights(model), version=1)
    assert sampler.sample([greedy(prompt)]) == fresh.sample([greedy(prompt)])
    assert sampler.load.reused == 0


def test_a_beginning_that_was_read_before_is_not_read_again_and_changes_nothing(model: Transformer) -> None:
    talk = list(range(30))
    sampler = Sampler(model, slots=3)
    first = sampler.sample([greedy(talk)])[0]
    talk = [*talk, *first.ids, 5]
    (second,) = sampler.sample([greedy(talk)])
    assert sampler.load.reused == len(talk) - 2  # the last id made was never read, the last of the prompt always is
    assert second.ids == Sampler(model).sample([greedy(talk)])[0].ids
    group = sampler.sample([drawn(talk[:20], seed) for seed in range(9)])
    assert [one.ids for one in group] == [Sampler(model).sample([drawn(talk[:20], seed)])[0].ids for seed in range(9)]


@pytest.mark.parametrize("prompt_ids", [1, 7, 64])
def test_long_prompts_are_read_in_pieces_beside_what_decodes(
    model: Transformer, monkeypatch: pytest.MonkeyPatch, prompt_ids: int
) -> None:
    monkeypatch.setattr("tumbler.engine.sampler.PROMPT_IDS", prompt_ids)
    asked = [greedy(ids, 9) for ids in prompts(12, 50)]
    for request, completion in zip(asked, Sampler(model, slots=4).sample(asked), strict=True):
        assert_greedy_under(model, list(request.ids), completion.ids)


def test_the_scores_of_a_prompt_come_with_the_first_token(model: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tumbler.engine.sampler.PROMPT_IDS", 7)
    sampler, prompt = Sampler(model), prompts(1, 60)[0]
    sampler.sample([greedy(prompt)])  # what it left must not be taken over: the scores would lack
    tokens = list(sampler.stream([Request(prompt, Sampling(3, temperature=0, top=2), prompt_top=3)]))
    found = tokens[0].prompt
    assert found is not None and [token.prompt for token in tokens[1:]] == [None, None]
    assert [one.id for one in found] == prompt[1:]
    assert [one.score.logprob for one in found] == pytest.approx(sampler.score([prompt])[0], abs=1e-4)
    assert all(len(one.top) == 3 and (one.top[0][0] == one.id) == one.score.likeliest for one in found)
    assert [token.top[0][0] for token in tokens] == [token.id for token in tokens]


class Even:
    """Only even ids; remembers what it was told."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def allowed(self) -> torch.Tensor:
        return torch.arange(97) % 2 == 0

    def accept(self, id: int) -> None:
        self.made.append(id)


def test_a_constraint_rules_its_own_request_and_is_told_what_was_made(model: Transformer) -> None:
    even, free = Even(), greedy([3, 4])
    ruled, other = Sampler(model).sample([Request([3, 4], free.sampling, constraint=even), free])
    assert even.made == list(ruled.ids) and not any(id % 2 for id in ruled.ids)
    assert other.ids == Sampler(model).sample([free])[0].ids


class Broken(Even):
    """Cannot go on after three ids."""

    def accept(self, id: int) -> None:
        super().accept(id)
        if len(self.made) == 3:
            raise Failure("it broke")


def test_a_constraint_that_cannot_go_on_fails_its_own_request_only(model: Transformer) -> None:
    sampler, free = Sampler(model), greedy([3, 4])
    broken: list[Item] = []
    other: list[Item] = []
    sampler.submit(Request([3, 4], free.sampling, constraint=Broken()), broken.append)
    sampler.submit(free, other.append)
    while sampler.step():
        pass
    assert [type(item) for item in broken] == [Token, Token, Failure]
    assert [item.id for item in other if isinstance(item, Token)] == list(Sampler(model).sample([free])[0].ids)
    with pytest.raises(Failure, match="it broke"):
        sampler.sample([Request([3, 4], free.sampling, constraint=Broken())])


def other_weights(model: Transformer) -> dict[str, torch.Tensor]:
    return random_model(model.config, 1).state_dict()


def test_bf16_weights_run_in_bf16(model: Transformer) -> None:
    half = Transformer(model.config).to(torch.bfloat16)
    half.load_state_dict(model.state_dict())
    assert len(Sampler(half).sample([greedy([1, 2, 3], 30)])[0].ids) == 30


def test_a_step_that_breaks_off_leaves_nothing_behind_that_a_later_request_could_take_over(
    model: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = [random.Random(5).randrange(40) for _ in range(40)]
    wanted = Sampler(model).sample([Request(prompt, Sampling(6, temperature=0))])
    sampler = Sampler(model, slots=2)
    attend = sampler._runner._decoder._attend
    monkeypatch.setattr(sampler._runner._decoder, "_attend", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        sampler.sample([Request(prompt, Sampling(6))])
    assert sampler.load == Load(0, 0, 0)
    monkeypatch.setattr(sampler._runner._decoder, "_attend", attend)
    assert sampler.sample([Request(prompt, Sampling(6, temperature=0))]) == wanted
