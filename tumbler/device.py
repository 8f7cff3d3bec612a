"""What machine is this: the one file that asks.

Nothing is asked at import; torch is imported inside the functions, so that `tumbler --help` stays fast.
"""

from __future__ import annotations

import ctypes
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
PEAK_SECONDS: Final = 1.0
"""So long the peak is looked for: a machine shared with others has slow moments."""
M_TRIM_THRESHOLD: Final = -1
M_MMAP_MAX: Final = -4
"""malloc.h's names for what mallopt sets."""


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
    """Of this process among `world`, as torchrun tells."""
    world: int
    local_rank: int
    """Of this process on its machine: the number of its accelerator."""
    compiler: str | None
    """Of C++, which torch.compile needs on a CPU."""


def rank() -> int:
    """Which of the processes that torchrun started this is; 0 where there is one only."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes torchrun started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def this_machine() -> Machine:
    """Ask once; a CUDA device is taken before Apple's, before the CPU."""
    import torch

    cores = available_cores()
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")
    local = int(os.environ.get("LOCAL_RANK", "0"))
    threads = max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    ranks = rank(), world(), local
    if torch.cuda.is_available():
        device = torch.cuda.get_device_properties(local)
        bf16 = torch.cuda.is_bf16_supported()
        return Machine("cuda", device.name, cores, threads, device.total_memory, bf16, *ranks, compiler)
    if torch.backends.mps.is_available():
        return Machine("mps", platform.processor(), cores, threads, _memory(), False, *ranks, compiler)
    return Machine("cpu", _processor(), cores, threads, _memory(), _cpu_bf16(), *ranks, compiler)


def prepare(machine: Machine) -> None:
    """Set torch up for reproducible work: fixed threads, deterministic kernels.

    Called by the stages that compute, before their first tensor; it changes the process as a whole.
    """
    # Both are read once, at the first use: cuBLAS is reproducible only with a fixed workspace, and
    # large tensors on huge pages train 5-10 % faster on a CPU (page faults are dear under a hypervisor).
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if machine.kind == "cpu":
        _keep_memory()
    import torch

    torch.set_num_threads(machine.threads)
    torch.use_deterministic_algorithms(True)
    # Deterministic mode also fills every new tensor with NaN, so that reads of unwritten memory show: 5 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _keep_memory() -> None:
    """Let glibc's allocator keep what is freed: large tensors come and go each step, and their page faults cost a
    tenth of it. Other C libraries have no such call."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if platform.system() == "Linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def torch_device(machine: Machine) -> torch.device:
    import torch

    return torch.device(machine.kind, machine.local_rank) if machine.kind == "cuda" else torch.device(machine.kind)


def autocast(machine: Machine, bf16: bool) -> AbstractContextManager[object]:
    """Matrix products in bfloat16 inside the block, or nothing at all when not `bf16`."""
    import torch

    return torch.autocast(machine.kind, torch.bfloat16) if bf16 else nullcontext()


def matmul_peak(machine: Machine, dtype: torch.dtype | None = None) -> float:
    """FLOP/s of the best of many large square products: what the machine can do, not its data sheet.

    `dtype` None: bf16 where the machine has it, else fp32.
    """
    import torch

    dtype = dtype or (torch.bfloat16 if machine.bf16 else torch.float32)
    n = PEAK_SIZE[machine.kind]
    a, b = (torch.ones(n, n, dtype=dtype, device=machine.kind) for _ in range(2))
    tries, until = [_seconds(machine, a, b)], time.perf_counter() + PEAK_SECONDS
    while time.perf_counter() < until:
        tries.append(_seconds(machine, a, b))
    return 2 * n**3 / min(tries)


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
