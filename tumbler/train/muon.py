"""Muon: momentum, orthogonalized (Keller Jordan, https://kellerjordan.github.io/posts/muon/).

Shapes: N matrices of one shape, R rows, C columns; W ranks, R_w rows of each matrix on rank w.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from tumbler.train.parallel import local

COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
"""Of the quintic that lifts all singular values to about 1 in few steps (same post, "Newton-Schulz")."""
ITERATIONS: Final = 5
EPSILON: Final = 1e-7


def orthogonalize(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, R, C) -> nearly the nearest (semi-)orthogonal matrices, by Newton-Schulz steps in `dtype`."""
    a, b, c = COEFFICIENTS
    x = matrices.mT if matrices.shape[1] > matrices.shape[2] else matrices
    x = (x / x.norm(dim=(1, 2), keepdim=True).clamp(min=EPSILON)).to(dtype)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if matrices.shape[1] > matrices.shape[2] else x


class Muon(torch.optim.Optimizer):
    """Muon for matrices, all of one shape at a time.

    update = lr * sqrt(max(1, R / C)) * orthogonalize(nesterov momentum), the scale of the post's own code and
    of torch.optim.Muon's default. `compute` is the dtype of the Newton-Schulz products: bf16 where the
    machine has it. Matrices that are sharded by rows (FSDP2) go whole to one rank each and come back.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        compute: torch.dtype = torch.bfloat16,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.compute = compute

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every matrix that has a gradient. `closure` is torch's; it must be None."""
        assert closure is None, "Muon evaluates no closure"
        for group in self.param_groups:
            for matrices in _by_shape(group["params"]):
                self._step(matrices, group["lr"], group["momentum"], group["weight_decay"])

    def _step(self, matrices: list[Tensor], lr: float, momentum: float, weight_decay: float) -> None:
        grads = [local(matrix.grad) for matrix in matrices if matrix.grad is not None]
        buffers = [local(self._buffer(matrix)) for matrix in matrices]
        torch._foreach_lerp_(buffers, grads, 1 - momentum)
        nesterov = torch.stack(list(torch._foreach_lerp(grads, buffers, momentum)))
        rows, columns = matrices[0].shape
        if isinstance(matrices[0], DTensor):
            updates = _by_owners(nesterov, rows, self.compute)
        else:
            updates = orthogonalize(nesterov, self.compute)
        parts = [local(matrix) for matrix in matrices]
        torch._foreach_mul_(parts, 1 - lr * weight_decay)
        scale = max(1, rows / columns) ** 0.5
        torch._foreach_add_(parts, list(updates.to(parts[0].dtype).unbind()), alpha=-lr * scale)

    def _buffer(self, matrix: Tensor) -> Tensor:
        state = self.state[matrix]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(matrix)
        buffer: Tensor = state["momentum"]
        return buffer


def _by_owners(parts: Tensor, rows: int, compute: torch.dtype) -> Tensor:
    """orthogonalize, of matrices whose rows lie on W ranks: this rank's (N, R_w, C) in, the same of the result out.

    Each rank owns about N / W matrices: it is sent all of their rows, computes, and sends each rank its rows back.
    """
    world, rank, columns = dist.get_world_size(), dist.get_rank(), parts.shape[2]
    owned = [len(chunk) for chunk in _chunks(len(parts), world)]
    held = [len(chunk) for chunk in _chunks(rows, world)]
    there = [count * held[rank] * columns for count in owned]
    back = [owned[rank] * count * columns for count in held]
    received = parts.new_empty(sum(back))
    dist.all_to_all_single(received, parts.contiguous().flatten(), back, there)
    pieces = [piece.view(owned[rank], -1, columns) for piece in torch.split(received, back)] if owned[rank] else []
    whole = torch.cat(pieces, 1) if pieces else parts.new_empty(0, rows, columns)
    updates = (orthogonalize(whole, compute) if owned[rank] else whole).to(parts.dtype)
    answers = torch.cat([piece.flatten() for piece in torch.split(updates, held, 1)])
    result = torch.empty_like(parts).flatten()
    dist.all_to_all_single(result, answers, there, back)
    return result.view_as(parts)


def _chunks(count: int, parts: int) -> list[range]:
    """`count` things over `parts` as torch.chunk, hence FSDP2, divides them: equal parts but for the last ones."""
    size = -(-count // parts)
    return [range(min(count, part * size), min(count, (part + 1) * size)) for part in range(parts)]


def _by_shape(params: list[Tensor]) -> list[list[Tensor]]:
    groups: dict[torch.Size, list[Tensor]] = defaultdict(list)
    for param in params:
        if param.grad is not None:
            groups[param.shape].append(param)
    return list(groups.values())
