"""The loop: the loss is the plain one, accumulation changes nothing, a resumed run is the straight run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tumbler.device import this_machine
from tumbler.errors import UserError
from tumbler.model import Transformer, init_weights, sizes
from tumbler.train import (
    IGNORE,
    Batch,
    LearningRates,
    Objective,
    PackedLoader,
    Report,
    TrainPlan,
    TrainState,
    cross_entropy,
    evaluate,
    make_optimizers,
    resume,
    save_state,
    train,
)

MACHINE = this_machine()


class Docs:
    lengths = tuple(5 + 3 * index for index in range(20))

    def __len__(self) -> int:
        return 20

    def document(self, index: int, /) -> object:
        import numpy as np

        return np.random.default_rng(index).integers(0, 40, 5 + 3 * index)


def fresh(seed: int = 0, depth: int = 2) -> TrainState:
    model = Transformer(sizes(depth, vocab_size=40, context=16, width=64))
    init_weights(model, seed)
    optimizers = make_optimizers(model, LearningRates(0.02, 3e-3), weight_decay=0.01, bf16=False)
    return TrainState(model, optimizers, PackedLoader(Docs(), rows=6, length=16, seed=seed))  # type: ignore[arg-type]


def run(state: TrainState, steps: int, micro_rows: int = 6, bf16: bool = False) -> list[Report]:
    objective = Objective(state.model, MACHINE, bf16, compile=False)
    plan = TrainPlan(steps=8, warmup=2, decay=0.5, clip=1.0, micro_rows=micro_rows)
    reports = train(state, objective, plan, MACHINE)
    return [next(reports) for _ in range(steps)]


def weights(state: TrainState) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in state.model.parameters()]


def a_batch() -> Batch:
    batch = next(fresh().loader)
    targets = batch.targets.clone()
    targets[:, ::3] = IGNORE
    return Batch(batch.ids, targets, batch.positions, batch.documents)


@pytest.mark.parametrize("places", [7, 2**12])
def test_the_chunked_loss_and_its_gradient_are_those_of_plain_cross_entropy(
    monkeypatch: pytest.MonkeyPatch, places: int
) -> None:
    monkeypatch.setattr(cross_entropy, "PLACES", places)
    monkeypatch.setattr(cross_entropy, "LOGITS", {MACHINE.kind: 0})
    ours, plain, batch = fresh().model, fresh().model, a_batch()
    found = Objective(ours, MACHINE, bf16=False, compile=False)(batch)
    logits = plain(batch.ids, batch.positions, batch.documents)
    wanted = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE, reduction="sum")
    (found / 7).backward()
    (wanted / 7).backward()
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(evaluate(plain, batch, MACHINE, bf16=False), wanted.detach())
    for mine, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-5, rtol=1e-4)


def test_the_chunked_loss_takes_a_bias_and_gives_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_entropy, "PLACES", 7)
    monkeypatch.setattr(cross_entropy, "LOGITS", {MACHINE.kind: 0})
    torch.manual_seed(0)
    ours = [torch.randn(size, requires_grad=True) for size in ((20, 8), (40, 8), (40,))]
    plain = [tensor.detach().clone().requires_grad_() for tensor in ours]
    targets = torch.randint(0, 40, (20,))
    targets[::4] = IGNORE
    found = cross_entropy.cross_entropy(*ours, targets, torch.float32)
    wanted = F.cross_entropy(F.linear(*plain), targets, ignore_index=IGNORE, reduction="sum")
    (found / 3).backward()
    (wanted / 3).backward()
    torch.testing.assert_close(found, wanted)
    for mine, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_a_batch_without_targets_has_no_loss_and_no_gradient() -> None:
    model, batch = fresh().model, a_batch()
    nothing = Batch(batch.ids, torch.full_like(batch.targets, IGNORE), batch.positions, batch.documents)
    found = Objective(model, MACHINE, bf16=False, compile=False)(nothing)
    found.backward()
    assert found.item() == 0
    assert all(p.grad is not None and p.grad.abs().max() == 0 for p in model.parameters())


def test_bf16_comes_near_fp32() -> None:
    batch = a_batch()
    exact = Objective(fresh().model, MACHINE, bf16=False, compile=False)(batch)
    near = Objective(fresh().model, MACHINE, bf16=True, compile=False)(batch)
    assert near.dtype == torch.float32
    assert near.item() == pytest.approx(exact.item(), rel=1e-2)


def test_accumulation_does_not_change_the_step() -> None:
    whole, parts = fresh(), fresh()
    a, b = run(whole, 4), run(parts, 4, micro_rows=1)
    for one, other in zip(a, b, strict=True):
        torch.testing.assert_close(one.loss, other.loss)
        torch.testing.assert_close(one.grad_norm, other.grad_norm, rtol=1e-4, atol=1e-5)
        assert one.targets == other.targets
    for one, other in zip(weights(whole), weights(parts), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)  # Newton-Schulz magnifies rounding


def test_training_learns_and_reports_what_it_did() -> None:
    state = fresh()
    reports = run(state, 8)
    assert [report.step for report in reports] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert float(reports[-1].loss) < float(reports[0].loss) - 0.05
    assert reports[0].tokens == 6 * 16
    assert state.step == 8


@pytest.mark.parametrize("bf16", [False, True])
def test_a_resumed_run_is_the_straight_run_bit_for_bit(tmp_path: Path, bf16: bool) -> None:
    straight, first, second = fresh(), fresh(), fresh(seed=9)
    wanted = run(straight, 6, bf16=bf16)
    run(first, 3, bf16=bf16)
    save_state(first, tmp_path)
    second.loader.seed = 0  # type: ignore[attr-defined]  # the order of documents is the plan's, not the state's
    assert resume(second, tmp_path)
    found = run(second, 3, bf16=bf16)
    assert [float(report.loss) for report in found] == [float(report.loss) for report in wanted[3:]]
    assert all(torch.equal(a, b) for a, b in zip(weights(straight), weights(second), strict=True))


def test_only_the_newest_state_stays_and_a_half_written_one_is_not_read(tmp_path: Path) -> None:
    state = fresh()
    assert not resume(state, tmp_path)
    for _ in range(2):
        run(state, 1)
        save_state(state, tmp_path)
    (tmp_path / "step-000007.tmp").mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002", "step-000007.tmp"]
    again = fresh()
    resume(again, tmp_path)
    assert again.step == 2


def test_the_state_of_another_model_is_refused(tmp_path: Path) -> None:
    save_state(fresh(depth=1), tmp_path)
    with pytest.raises(UserError, match="the state of another model"):
        resume(fresh(depth=2), tmp_path)


def test_to_compile_without_a_compiler_is_refused_in_one_line() -> None:
    model = Transformer(sizes(1, 64, 16))
    machine = replace(MACHINE, kind="cpu", compiler=None)
    with pytest.raises(UserError, match="needs a C\\+\\+ compiler; install"):
        Objective(model, machine, bf16=False, compile=True)
