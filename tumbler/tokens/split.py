"""Which documents are for validation, and which ones train the tokenizer: by a hash of the id alone.

So a document keeps its place whatever is added beside it, in whatever order, on however many workers.
"""

from __future__ import annotations

import hashlib


def fraction(id: str, purpose: str) -> float:
    """A number in [0, 1), uniform over ids, independent between purposes (up to 16 ASCII letters)."""
    digest = hashlib.blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8, person=purpose.encode())
    return (int.from_bytes(digest.digest(), "big") >> 11) / 2**53


def is_validation(id: str, share: float) -> bool:
    return fraction(id, "validation") < share


def trains_tokenizer(id: str, share: float) -> bool:
    return fraction(id, "tokenizer") < share
