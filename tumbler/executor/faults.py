"""What to do about an item that failed: do it again, or end the run, and in which words."""

from __future__ import annotations

import errno
import socket
from typing import Final

from tumbler.errors import Failure
from tumbler.executor.calls import Lost, Raised

DISK_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
PASSING: Final = {
    errno.EAGAIN,
    errno.EBUSY,
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.EIO,
    errno.ENETDOWN,
    errno.ENETRESET,
    errno.ENETUNREACH,
    errno.ENOBUFS,
    errno.EPIPE,
    errno.ESTALE,
    errno.ETIMEDOUT,
}
"""Of networks and of file systems behind a network; the same call may well succeed later."""
LASTING: Final = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
SHOWN: Final = 160
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


def disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in DISK_FULL


def passing(error: BaseException) -> bool:
    """Whether the same call may succeed later. HTTP and cloud clients raise OSErrors without a number."""
    if not isinstance(error, OSError) or isinstance(error, LASTING):
        return False
    return error.errno is None or error.errno in PASSING or isinstance(error, TimeoutError | socket.gaierror)


def refusal(answer: Raised | Lost, item: object, times: int, retries: int) -> Exception | None:
    """What ends the run, or None when the item, which has failed `times` times now, is to be done again."""
    if isinstance(answer, Lost):
        if times <= retries:
            return None
        advice = "if memory ran out, run the same command again with a smaller executor.workers; else leave it out"
        return Failure(f"{named(item)}: its worker was lost {times} times, at last {answer.reason}; {advice}")
    if times <= retries and passing(answer.error):
        return None
    answer.error.add_note(f"On {named(item)}, try {times}, in a worker:\n{answer.traceback}")
    return answer.error


def reason(answer: Raised | Lost) -> str:
    """One line for the log."""
    if isinstance(answer, Lost):
        return f"worker {answer.reason}"
    return " ".join(f"{type(answer.error).__name__}: {answer.error}".split())


def pause(answer: Raised | Lost, times: int) -> float:
    """Seconds before the next try: none after a lost worker; else 0.5, 1, 2, ... up to 30."""
    return 0.0 if isinstance(answer, Lost) else min(FIRST_PAUSE * 2 ** (times - 1), LONGEST_PAUSE)


def named(item: object) -> str:
    """An item in one short line."""
    text = " ".join(str(item).split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} ... {text[-SHOWN // 2 :]}"
