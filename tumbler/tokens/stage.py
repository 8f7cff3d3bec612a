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
from tumbler.text.tokenizer import Tokenizer, Trainer
from tumbler.tokens import training
from tumbler.tokens.reader import CorpusFile, CorpusRow, corpus_files, read_rows
from tumbler.tokens.split import is_validation
from tumbler.tokens.views import longest_tokens, tokenized

BATCH: Final = 256
SHOWN_DOCUMENTS: Final = 8


class TokensSettings(Settings):
    """How text becomes token ids."""

    vocab_size: int = 8192
    """Ids in all, the 81 special tokens included; with a tokenizer given, that one's own size counts."""
    val_fraction: float = Field(default=0.02, gt=0, lt=1)
    """Share of the documents, chosen by a hash of their id, that is kept for validation."""
    train_bytes: int = Field(default=256_000_000, gt=0)
    """About how much text, in bytes, the tokenizer is trained on; of a larger corpus a sample by hash of the id.
    It may be more than memory holds."""
    trainer: Trainer = "bpe"
    """bpe: byte-level BPE with Llama 3's split (tokenizer.json); sentencepiece: BPE with byte fallback, saved as
    SentencePiece's tokenizer.model."""
    tokenizer: str | None = None
    """To use instead of training one: a tokenizer.json (byte-level BPE), a SentencePiece .model, a .tiktoken file, or a
    folder with one of them. An input of kind "checkpoint" gives its own."""


def run(settings: TokensSettings, work: Work) -> Outcome:
    files = corpus_files(work.inputs)
    if not work.has("tokenizer"):
        with work.file("tokenizer") as folder:
            _tokenizer(settings, files, work).save(folder)
    work.remove(training.COUNTS)
    _write_shards(settings, files, work)
    train, val = Shards.open(work.path / "train"), Shards.open(work.path / "val")
    for name, shards in (("training", train), ("validation", val)):
        if not len(shards):
            documents = len(train) + len(val)
            raise UserError(f"tokens: no document of {documents} is for {name}; give more, or another val_fraction")
    tokenizer = Tokenizer.load(work.path / "tokenizer")
    held_out = partial(is_validation, share=settings.val_fraction)
    texts = (item.text for file in files for item in read_rows(file, held_out))
    work.view("tokenized", tokenized(tokenizer, islice(texts, SHOWN_DOCUMENTS)))
    work.view("longest_tokens", longest_tokens(tokenizer))
    return Outcome("tokens", _facts(tokenizer, train, val))


def _tokenizer(settings: TokensSettings, files: list[CorpusFile], work: Work) -> Tokenizer:
    given = [item.path for item in work.inputs if item.kind == "checkpoint"]
    given += [Path(settings.tokenizer)] if settings.tokenizer is not None else []
    if len(given) > 1:
        raise UserError(f"tokens: has {len(given)} tokenizers ({', '.join(map(str, given))}); give one, or none")
    if given:
        work.log.say(f"the tokenizer is {given[0]}")
        return Tokenizer.load(given[0])
    work.log.say(f"training a tokenizer of {settings.vocab_size} ids")
    total = sum(file.text_bytes for file in files)
    share = settings.train_bytes / max(1, total)
    sample = training.Sample(settings.val_fraction, share, total, settings.train_bytes)
    return training.train(files, sample, settings.vocab_size, settings.trainer, work)


@dataclass(frozen=True)
class Job:
    """One corpus file to encode into one shard of `train/` and one of `val/`."""

    file: CorpusFile
    shard: str


def _write_shards(settings: TokensSettings, files: list[CorpusFile], work: Work) -> None:
    jobs = [Job(file, f"{number:05}") for number, file in enumerate(files)]
    left = [job for job in jobs if not work.has(f"val/{job.shard}.parquet")]  # the file a job writes last
    work.map(partial(encode_file, work.path, settings.val_fraction), left, "files encoded")


def encode_file(folder: Path, val_fraction: float, job: Job) -> None:
    """Write the two shards of one corpus file, by the tokenizer in `folder`."""
    tokenizer = Tokenizer.load(folder / "tokenizer")
    held_out = partial(is_validation, share=val_fraction)
    for split, wanted in (("train", lambda id: not held_out(id)), ("val", held_out)):
        rows, path = read_rows(job.file, wanted), folder / split / job.shard
        with replacing(path.with_suffix(".parquet")) as index, replacing(path.with_suffix(".bin")) as ids:
            write_shard(ids, index, _encode(tokenizer, rows), tokenizer.vocab_size)


def _encode(tokenizer: Tokenizer, rows: Iterator[CorpusRow]) -> Iterator[TokenDocument]:
    while batch := list(islice(rows, BATCH)):
        for row, ids in zip(batch, tokenizer.encode_arrays([row.text for row in batch]), strict=True):
            yield TokenDocument(tokenizer.document(ids), row.id, row.url, row.row, len(row.text.encode()))


def _facts(tokenizer: Tokenizer, train: Shards, val: Shards) -> dict[str, JsonValue]:
    text_bytes = sum(pc.sum(shards.column("bytes")).as_py() for shards in (train, val))
    framing = len(tokenizer.document([]))
    documents, tokens = len(train) + len(val), train.tokens + val.tokens
    return {
        "documents": documents,
        "train_documents": len(train),
        "val_documents": len(val),
        "tokens": tokens,
        "train_tokens": train.tokens,
        "val_tokens": val.tokens,
        "bytes": text_bytes,
        "bytes_per_token": round(text_bytes / max(1, tokens - framing * documents), 3),
        "vocab_size": tokenizer.vocab_size,
    }
