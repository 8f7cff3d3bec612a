"""Training on several devices: every rank holds a part of each parameter and computes a part of each batch (FSDP2).

Started by torchrun, which tells each process its rank. Every rank runs the same lines; what is written is
written by rank 0, what is decided is decided by all together.
"""

from __future__ import annotations

import atexit

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from tumbler.device import Machine, torch_device
from tumbler.model import Transformer


def join(machine: Machine) -> None:
    """Meet the other ranks, once a process; returns at once when there are none."""
    if machine.world == 1 or dist.is_initialized():
        return
    if machine.kind == "cuda":
        torch.cuda.set_device(torch_device(machine))
    dist.init_process_group("nccl" if machine.kind == "cuda" else "gloo")
    atexit.register(dist.destroy_process_group)


def shard(model: Transformer, machine: Machine, bf16: bool, compile: bool) -> Transformer:
    """Leave each rank its part of the parameters, which become DTensors; the model is changed in place.

    Blocks are compiled first, then sharded; gathered block by block in the forward and backward pass. `bf16`:
    gathered and computed in bfloat16, summed over the ranks in fp32. With one rank nothing is done.
    """
    if machine.world == 1:
        return model
    mesh = init_device_mesh(machine.kind, (machine.world,))
    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if bf16 else MixedPrecisionPolicy()
    for block in model.model.layers:
        if compile:
            block.compile(fullgraph=True, dynamic=False)
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    register_fsdp_forward_method(model, "hidden")
    return model


def sync_gradients(model: Transformer, last: bool) -> None:
    """Of the parts of a batch, only the `last` one's backward pass sums the gradients over the ranks."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(last)


def whole(model: Transformer) -> Transformer:
    """The model with all of its parameters on this rank: itself, or a gathered copy. All ranks must call it."""
    parameters = dict(model.named_parameters())
    if not any(isinstance(parameter, DTensor) for parameter in parameters.values()):
        return model
    with torch.device("meta"):
        copy = Transformer(model.config)
    copy.load_state_dict({name: gathered(parameter) for name, parameter in parameters.items()}, assign=True)
    return copy


def gathered(tensor: Tensor) -> Tensor:
    """All of a tensor, on every rank."""
    whole: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return whole.detach()


def local(tensor: Tensor) -> Tensor:
    """This rank's part of a tensor, in the same memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def summed(tensor: Tensor) -> Tensor:
    """The sum over all ranks, on each; the tensor itself is changed."""
    if dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor


def any_rank(flag: bool, machine: Machine) -> bool:
    """Whether it is true on some rank: the same answer on all."""
    return bool(summed(torch.tensor(float(flag), device=torch_device(machine))) > 0)


def barrier() -> None:
    """Wait for the other ranks."""
    if dist.is_initialized():
        dist.barrier()
