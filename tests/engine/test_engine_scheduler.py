"""The scheduler: slots stay dense, order is kept, nobody is forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tumbler.engine.scheduler import PATIENCE, Decode, Move, Prefill, Scheduler


def test_requests_run_in_the_order_in_which_they_came() -> None:
    scheduler = Scheduler(slots=2, prefill_tokens=100)
    for request in (7, 8, 9):
        scheduler.add(request, 10)
    assert scheduler.next() == Prefill((7, 8), first=0)
    assert scheduler.next() == Decode((7, 8))
    assert scheduler.end(8) is None
    assert scheduler.next() == Prefill((9,), first=1)
    assert scheduler.next() == Decode((7, 9))


def test_the_last_slot_moves_into_the_gap() -> None:
    scheduler = Scheduler(slots=3, prefill_tokens=100)
    for request in (1, 2, 3):
        scheduler.add(request, 10)
    scheduler.next()
    assert scheduler.end(1) == Move(source=2, target=0)
    assert scheduler.next() == Decode((3, 2))


def test_a_prefill_holds_a_bounded_number_of_padded_ids_but_a_long_prompt_still_goes() -> None:
    scheduler = Scheduler(slots=8, prefill_tokens=20)
    for request, tokens in enumerate((5, 5, 8, 500, 1)):
        scheduler.add(request, tokens)
    taken = []
    while isinstance(step := scheduler.next(), Prefill):
        taken.append(step.requests)
    assert taken == [(0, 1), (2,), (3,), (4,)]


def test_a_few_free_slots_wait_for_more_but_not_for_long() -> None:
    scheduler = Scheduler(slots=32, prefill_tokens=1000)
    for request in range(40):
        scheduler.add(request, 1)
    scheduler.next()
    scheduler.end(3)
    steps = [scheduler.next() for _ in range(PATIENCE + 1)]
    assert all(isinstance(step, Decode) for step in steps[:-1])
    assert steps[-1] == Prefill((32,), first=31)


def test_a_waiting_request_that_is_cancelled_never_runs() -> None:
    scheduler = Scheduler(slots=1, prefill_tokens=100)
    for request in (1, 2, 3):
        scheduler.add(request, 1)
    scheduler.next()
    assert scheduler.end(2) is None
    scheduler.end(1)
    assert scheduler.next() == Prefill((3,), first=0)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 30)), min_size=1, max_size=60), st.integers(1, 20))
def test_every_request_runs_to_its_end_in_one_dense_slot_at_a_time(work: list[tuple[int, int]], slots: int) -> None:
    """`work`: (steps, prompt tokens) a request. A double of the cache follows the moves."""
    scheduler = Scheduler(slots, prefill_tokens=64)
    left = {request: steps for request, (steps, _) in enumerate(work)}
    held: dict[int, int] = {}
    for request, (_, tokens) in enumerate(work):
        scheduler.add(request, tokens)
    while (step := scheduler.next()) is not None:
        if isinstance(step, Prefill):
            held.update({step.first + place: request for place, request in enumerate(step.requests)})
        assert [held[slot] for slot in range(len(scheduler.running))] == scheduler.running
        assert len(scheduler.running) <= slots
        for request in step.requests:
            left[request] -= 1
            if not left[request]:
                move = scheduler.end(request)
                if move:
                    held[move.target] = held[move.source]
    assert not any(left.values())
