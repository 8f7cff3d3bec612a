"""What machine is this: the one file that asks.

Nothing is asked at import; torch is imported inside the functions, so that `tumbler --help` stays fast.
"""

from __future__ import annotations

import os
import platform
import shutil
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from tumbler.executor import available_cores

if TYPE_CHECKING:
    import torch

Kind = Literal["cpu", "cuda", "mps"]
PEAK_SIZE: Final[dict[Kind, int]] = {"cpu": 2048, "cuda": 8192, "mps": 4096}
PEAK_TRIES: Final = 5


@dataclass(frozen=True)
class Machine:
    """One process's view of the machine it runs on."""

    kind: Kind
    name: str
    """Of the processor or accelerator that computes."""
    cores: int
    """CPU cores that this process may use."""
    threads: int
    """Threads that torch uses on the CPU."""
    memory: int
    """Bytes of the memory that models live in."""
    bf16: bool
    """Whether bfloat16 products run in hardware."""
    rank: int
    world: int
    compiler: str | None
    """Of C++, which torch.compile needs on a CPU."""


def this_machine() -> Machine:
    """Ask once; a CUDA device is taken before Apple's, before the CPU."""
    import torch

    cores = available_cores()
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if torch.cuda.is_available():
        device = torch.cuda.get_device_properties(int(os.environ.get("LOCAL_RANK", "0")))
        bf16 = torch.cuda.is_bf16_supported()
        return Machine("cuda", device.name, cores, cores, device.total_memory, bf16, rank, world, compiler)
    if torch.backends.mps.is_available():
        return Machine("mps", platform.processor(), cores, cores, _memory(), False, rank, world, compiler)
    return Machine("cpu", _processor(), cores, cores, _memory(), _cpu_bf16(), rank, world, compiler)


def prepare(machine: Machine) -> None:
    """Set torch up for reproducible work: fixed threads, deterministic kernels.

    Called by the stages that compute, before their first tensor; it changes the process as a whole.
    """
    # Both are read once, at the first use: cuBLAS is reproducible only with a fixed workspace, and
    # large tensors on huge pages train 5-10 % faster on a CPU (page faults are dear under a hypervisor).
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    import torch

    torch.set_num_threads(machine.threads)
    torch.use_deterministic_algorithms(True)
    # Deterministic mode also fills every new tensor with NaN, so that reads of unwritten memory show: 5 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def torch_device(machine: Machine) -> torch.device:
    import torch

    return torch.device(machine.kind)


def autocast(machine: Machine, bf16: bool) -> AbstractContextManager[object]:
    """Matrix products in bfloat16 inside the block, or nothing at all when not `bf16`."""
    import torch

    return torch.autocast(machine.kind, torch.bfloat16) if bf16 else nullcontext()


def matmul_peak(machine: Machine, dtype: torch.dtype | None = None) -> float:
    """FLOP/s of the best of a few large square products: what the machine can do, not its data sheet.

    `dtype` None: bf16 where the machine has it, else fp32.
    """
    import torch

    dtype = dtype or (torch.bfloat16 if machine.bf16 else torch.float32)
    n = PEAK_SIZE[machine.kind]
    a, b = (torch.ones(n, n, dtype=dtype, device=machine.kind) for _ in range(2))
    best = min(_seconds(machine, a, b) for _ in range(PEAK_TRIES))
    return 2 * n**3 / best


def _seconds(machine: Machine, a: torch.Tensor, b: torch.Tensor) -> float:
    started = time.perf_counter()
    a @ b
    synchronize(machine)
    return time.perf_counter() - started


def synchronize(machine: Machine) -> None:
    """Wait until the device has done what it was given (a CPU always has)."""
    import torch

    if machine.kind == "cuda":
        torch.cuda.synchronize()
    elif machine.kind == "mps":
        torch.mps.synchronize()


def _cpu_bf16() -> bool:
    """AVX512-BF16 or AMX on x86; on ARM the bf16 extension, as Linux names it."""
    import torch

    x86 = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return x86 or " bf16" in _cpuinfo()


def _cpuinfo() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def _processor() -> str:
    lines = [line for line in _cpuinfo().splitlines() if line.startswith("model name")]
    return lines[0].partition(":")[2].strip() if lines else platform.processor() or platform.machine()


def _memory() -> int:
    """Bytes of main memory; 0 where the system does not say."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return 0
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
