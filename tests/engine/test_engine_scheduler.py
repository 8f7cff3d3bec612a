"""The scheduler: decoding slots are dense, order is kept, nobody is forgotten, and a slot holds what it is said to."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tumbler.engine.scheduler import WORTHWHILE, Move, Piece, Scheduler, Step


class Memory:
    """A double of the cache: does what steps say, and checks that it reads what it must."""

    def __init__(self, slots: int, prompts: dict[int, Sequence[int]]) -> None:
        self.slots: list[list[int]] = [[] for _ in range(slots)]
        self.sequences = {request: list(prompt) for request, prompt in prompts.items()}
        self.read = 0

    def take(self, step: Step) -> list[int]:
        """-> the requests that make an id in this step."""
        for move in step.moves:
            source, target = self.slots[move.source], self.slots[move.target]
            if move.exchange:
                assert move.length == max(len(source), len(target))
                self.slots[move.source], self.slots[move.target] = target, source
            else:
                self.slots[move.target] = source[: move.length]
        for slot, request in enumerate(step.decode):
            self.slots[slot].append(self.sequences[request][-1])
            assert self.slots[slot] == self.sequences[request]
        for piece in step.pieces:
            prompt = self.sequences[piece.request]
            self.slots[piece.slot][piece.start :] = prompt[piece.start : piece.end]
            assert piece.slot >= len(step.decode)
            assert self.slots[piece.slot] == prompt[: piece.end], "a piece goes on from what its slot holds"
            assert piece.last == (piece.end == len(prompt))
            self.read += piece.end - piece.start
        return [*step.decode, *(piece.request for piece in step.pieces if piece.last)]


def test_prompts_are_read_in_pieces_beside_what_decodes() -> None:
    scheduler = Scheduler(slots=3, prompt_ids=4)
    for request, prompt in ((7, [1, 2]), (8, [3, 4, 5, 6, 7, 8]), (9, [9])):
        scheduler.add(request, prompt)
    assert scheduler.next() == Step((), (), (Piece(7, 0, 0, 2, True), Piece(8, 1, 0, 2, False)))
    scheduler.made(7, 50)
    assert scheduler.next() == Step((), (7,), (Piece(8, 1, 2, 6, True),))
    scheduler.made(7, 51)
    scheduler.made(8, 60)
    assert scheduler.next() == Step((), (7, 8), (Piece(9, 2, 0, 1, True),))
    assert scheduler.waiting == 0


def test_the_last_that_decodes_moves_into_the_gap() -> None:
    scheduler = Scheduler(slots=3, prompt_ids=100)
    for request in (1, 2, 3):
        scheduler.add(request, [request] * request)
    scheduler.next()
    scheduler.end(1)
    for request in (2, 3):
        scheduler.made(request, 9)
    assert scheduler.next() == Step((Move(0, 2, 3, exchange=True),), (3, 2), ())


def test_a_request_that_waits_or_is_being_read_can_be_cancelled() -> None:
    scheduler = Scheduler(slots=1, prompt_ids=2)
    for request in (1, 2, 3):
        scheduler.add(request, [1, 2, 3])
    scheduler.next()
    scheduler.end(2)
    scheduler.end(1)
    assert scheduler.next() == Step((), (), (Piece(3, 0, 0, 2, False),))
    scheduler.end(99)


def test_what_an_ended_request_left_begins_the_next_one() -> None:
    scheduler = Scheduler(slots=2, prompt_ids=100)
    talk = list(range(30))
    scheduler.add(1, talk)
    scheduler.next()
    scheduler.made(1, 77)
    scheduler.next()
    scheduler.made(1, 78)
    scheduler.end(1)  # 78 was made but never read
    scheduler.add(2, [*talk, 77, 78, 5])
    assert scheduler.next() == Step((), (), (Piece(2, 0, 31, 33, True),))
    assert scheduler.reused == 31


def test_a_small_part_of_a_long_rest_is_copied_where_a_slot_is_to_spare() -> None:
    scheduler = Scheduler(slots=2, prompt_ids=100)
    scheduler.add(1, list(range(90)))
    scheduler.next()
    scheduler.end(1)
    scheduler.add(2, [*range(20), 5, 5])
    assert scheduler.next() == Step((Move(0, 1, 20, False),), (), (Piece(2, 1, 20, 22, True),))


def test_equal_prompts_wait_for_the_first_to_be_read_and_others_pass_them() -> None:
    scheduler = Scheduler(slots=4, prompt_ids=35)
    prompt = list(range(60))
    for request, ids in ((1, prompt), (2, prompt), (3, [99])):
        scheduler.add(request, ids)
    assert scheduler.next() == Step((), (), (Piece(1, 0, 0, 35, False),))
    assert scheduler.next() == Step((), (), (Piece(1, 0, 35, 60, True), Piece(3, 1, 0, 1, True)))
    for request in (1, 3):
        scheduler.made(request, 0)
    assert scheduler.next() == Step((Move(0, 2, 59, False),), (1, 3), (Piece(2, 2, 59, 60, True),))


def test_after_other_weights_nothing_is_taken_over() -> None:
    scheduler = Scheduler(slots=1, prompt_ids=100)
    for request in (1, 2):
        scheduler.add(request, list(range(40)))
        step = scheduler.next()
        assert step is not None and step.pieces[0].start == 0
        scheduler.end(request)
        scheduler.forget()


def test_a_prompt_whose_logits_are_wanted_is_read_whole() -> None:
    scheduler = Scheduler(slots=2, prompt_ids=100)
    for request in (1, 2):
        scheduler.add(request, list(range(40)), reuse=False)
    step = scheduler.next()
    assert step is not None and [(piece.start, piece.end) for piece in step.pieces] == [(0, 40), (0, 40)]


beginnings = st.sampled_from([(), tuple(range(WORTHWHILE + 3)), tuple(range(2 * WORTHWHILE))])
work = st.tuples(beginnings, st.lists(st.integers(100, 102), min_size=1, max_size=12), st.integers(1, 6))


@given(
    st.lists(work, min_size=1, max_size=30),
    st.integers(1, 6),
    st.integers(1, 40),
    st.lists(st.integers(0, 29), max_size=8),
)
def test_every_request_reads_its_prompt_and_makes_its_ids(
    asked: list[tuple[tuple[int, ...], list[int], int]], slots: int, prompt_ids: int, cancelled: list[int]
) -> None:
    """`asked`: (a beginning that others share, the rest of the prompt, ids to make); some are cancelled on the way."""
    prompts = {request: [*beginning, *rest] for request, (beginning, rest, _) in enumerate(asked)}
    left = {request: count for request, (_, _, count) in enumerate(asked)}
    memory, scheduler = Memory(slots, prompts), Scheduler(slots, prompt_ids)
    for request, prompt in prompts.items():
        scheduler.add(request, prompt)
    steps, all_run = 0, not cancelled
    while (step := scheduler.next()) is not None:
        assert sum(piece.end - piece.start for piece in step.pieces) <= prompt_ids
        making, steps = memory.take(step), steps + 1
        if steps % 2 and cancelled and left.pop(gone := cancelled.pop(), None) is not None:
            scheduler.end(gone)
        for request in making:
            if request not in left:
                continue
            left[request] -= 1
            if left[request]:
                memory.sequences[request].append(200 + request % 3)
                scheduler.made(request, memory.sequences[request][-1])
            else:
                del left[request]
                scheduler.end(request)
    assert not left
    if all_run:
        assert memory.read + scheduler.reused == sum(map(len, prompts.values()))
