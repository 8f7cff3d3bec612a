"""OpenAI's rank files from their home, whole or not at all: what they must hash to is known."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import requests
import urllib3

from tumbler.artifact import replacing
from tumbler.errors import Failure, UserError
from tumbler.recipe import nearest

HOME: Final = "https://openaipublic.blob.core.windows.net/encodings"
LARGEST: Final = 16 << 20
"""Bytes; o200k_base has 3.6 million."""
TIMEOUT: Final = 60.0
"""Seconds without an answer."""
RANKS: Final = {
    "gpt2": ("r50k_base.tiktoken", "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"),
    "cl100k_base": ("cl100k_base.tiktoken", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
    "o200k_base": ("o200k_base.tiktoken", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"),
}
"""Encoding -> file at home, its SHA-256 (tiktoken_ext/openai_public.py)."""


def fetch_ranks(name: str, out: Path, home: str = HOME) -> Path:
    """Write `out`/NAME.tiktoken. Raises UserError for a name that is not known, Failure for what cannot be had."""
    if name not in RANKS:
        raise UserError(f"fetch tokenizer: no {name!r}{nearest(name, RANKS)}; there are {', '.join(RANKS)}")
    file, digest = RANKS[name]
    url = f"{home.rstrip('/')}/{file}"
    try:
        with requests.get(url, timeout=TIMEOUT, stream=True) as answer:
            answer.raise_for_status()
            content = answer.raw.read(LARGEST + 1, decode_content=True)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise Failure(f"fetch tokenizer: {url}: {error}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise Failure(f"fetch tokenizer: {url}: not the file that tiktoken knows (its SHA-256 differs); mend --from")
    path = out / f"{name}.tiktoken"
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path
