"""tokens: train a tokenizer on the corpus (or take one), and write the corpus as token shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow.compute as pc
from pydantic import Field, JsonValue

from tumbler.artifact import Outcome, Work, replacing
from tumbler.errors import UserError
from tumbler.recipe import Settings
from tumbler.text.shards import Shards, TokenDocument, write_shard
from tumbler.text.tokenizer import Tokenizer
from tumbler.tokens.reader import CorpusFile, CorpusRow, corpus_files, read_rows
from tumbler.tokens.split import is_validation, trains_tokenizer
from tumbler.tokens.views import longest_tokens, tokenized

BATCH: Final = 256
SHOWN_DOCUMENTS: Final = 8


class TokensSettings(Settings):
    """How text becomes token ids."""

    vocab_size: int = 8192
    """Ids in all, the 81 special tokens included; with `tokenizer` given, that one's own size counts."""
    val_fraction: float = Field(default=0.02, gt=0, lt=1)
    """Share of the documents, chosen by a hash of their id, that is kept for validation."""
    train_bytes: int = Field(default=256_000_000, gt=0, lt=2**31)
    """About how much text, in bytes, the tokenizer is trained on; of a larger corpus a sample by hash of the id.
    Below 2^31, since the trainer counts in 32 bits."""
    tokenizer: str | None = None
    """A folder with a tokenizer.json that tumbler made, to use instead of training one."""


def run(settings: TokensSettings, work: Work) -> Outcome:
    files = corpus_files(work.inputs)
    if not work.has("tokenizer"):
        work.log.say(f"training a tokenizer of {settings.vocab_size} ids" if not settings.tokenizer else "one is given")
        with work.file("tokenizer") as folder:
            _tokenizer(settings, files).save(folder)
    _write_shards(settings, files, work)
    train, val = Shards.open(work.path / "train"), Shards.open(work.path / "val")
    for name, shards in (("training", train), ("validation", val)):
        if not len(shards):
            documents = len(train) + len(val)
            raise UserError(f"tokens: no document of {documents} is for {name}; give more, or another val_fraction")
    tokenizer = Tokenizer.load(work.path / "tokenizer")
    texts = (item.text for file in files for item in read_rows(file) if is_validation(item.id, settings.val_fraction))
    work.view("tokenized", tokenized(tokenizer, islice(texts, SHOWN_DOCUMENTS)))
    work.view("longest_tokens", longest_tokens(tokenizer))
    return Outcome("tokens", _facts(tokenizer, train, val))


def _tokenizer(settings: TokensSettings, files: list[CorpusFile]) -> Tokenizer:
    if settings.tokenizer is not None:
        return Tokenizer.load(Path(settings.tokenizer))
    share = settings.train_bytes / max(1, sum(file.text_bytes for file in files))
    return Tokenizer.train(_training_texts(settings, files, share), settings.vocab_size)


def _training_texts(settings: TokensSettings, files: list[CorpusFile], share: float) -> Iterator[str]:
    """What the tokenizer learns from: no validation document, and not more than asked."""
    left = settings.train_bytes
    for file in files:
        for item in read_rows(file):
            if is_validation(item.id, settings.val_fraction) or not trains_tokenizer(item.id, share):
                continue
            left -= len(item.text.encode())
            if left < 0:
                return
            yield item.text


@dataclass(frozen=True)
class Job:
    """One corpus file to encode into one shard of `train/` and one of `val/`."""

    file: CorpusFile
    shard: str


def _write_shards(settings: TokensSettings, files: list[CorpusFile], work: Work) -> None:
    jobs = [Job(file, f"{number:05}") for number, file in enumerate(files)]
    left = [job for job in jobs if not work.has(f"val/{job.shard}.parquet")]  # the file a job writes last
    work.map(partial(_encode_file, work.path, settings.val_fraction), left, "files encoded")


def _encode_file(folder: Path, val_fraction: float, job: Job) -> None:
    tokenizer = Tokenizer.load(folder / "tokenizer")
    for split in ("train", "val"):
        rows = (row for row in read_rows(job.file) if is_validation(row.id, val_fraction) == (split == "val"))
        path = folder / split / job.shard
        with replacing(path.with_suffix(".parquet")) as index, replacing(path.with_suffix(".bin")) as ids:
            write_shard(ids, index, _encode(tokenizer, rows), tokenizer.vocab_size)


def _encode(tokenizer: Tokenizer, rows: Iterator[CorpusRow]) -> Iterator[TokenDocument]:
    while batch := list(islice(rows, BATCH)):
        for row, ids in zip(batch, tokenizer.encode_batch([row.text for row in batch]), strict=True):
            whole = [tokenizer.bos, *ids, tokenizer.end]
            yield TokenDocument(whole, row.id, row.url, row.row, len(row.text.encode()))


def _facts(tokenizer: Tokenizer, train: Shards, val: Shards) -> dict[str, JsonValue]:
    text_bytes = sum(pc.sum(shards.column("bytes")).as_py() for shards in (train, val))
    documents, tokens = len(train) + len(val), train.tokens + val.tokens
    return {
        "documents": documents,
        "train_documents": len(train),
        "val_documents": len(val),
        "tokens": tokens,
        "train_tokens": train.tokens,
        "val_tokens": val.tokens,
        "bytes": text_bytes,
        "bytes_per_token": round(text_bytes / max(1, tokens - 2 * documents), 3),
        "vocab_size": tokenizer.vocab_size,
    }
