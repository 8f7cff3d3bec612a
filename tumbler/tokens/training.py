"""Trains the tokenizer of a corpus: workers count the pre-tokens of a file each, the driver sums up and learns.

Every file has its share of `train_bytes`, so what is counted does not depend on who counts it when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from tumbler.artifact import Work, replacing
from tumbler.text.pieces import count, merge
from tumbler.text.tokenizer import Tokenizer, Trainer
from tumbler.tokens.reader import CorpusFile, read_rows
from tumbler.tokens.split import is_validation, trains_tokenizer

COUNTS: Final = "counts"
"""Folder of the counts of each file while the tokenizer is not trained yet."""


@dataclass(frozen=True)
class Sample:
    """Which texts of a corpus train its tokenizer."""

    val_fraction: float
    share: float
    """Of the documents, by a hash of their id."""
    total_bytes: int
    """Of all texts of the corpus, about."""
    train_bytes: int
    """No more is counted."""

    def has(self, id: str) -> bool:
        return trains_tokenizer(id, self.share) and not is_validation(id, self.val_fraction)


def train(files: Sequence[CorpusFile], sample: Sample, vocab_size: int, trainer: Trainer, work: Work) -> Tokenizer:
    jobs = [(file, f"{COUNTS}/{number:05}.parquet") for number, file in enumerate(files)]
    left = [job for job in jobs if not work.has(job[1])]
    work.map(partial(_count_file, work.path, sample), left, "files counted")
    return Tokenizer.from_counts(merge(pq.read_table(work.path / name) for _, name in jobs), vocab_size, trainer)


def training_texts(file: CorpusFile, sample: Sample) -> Iterator[str]:
    """What the tokenizer learns from: no validation document, and not more than the file's part."""
    left = sample.train_bytes * file.text_bytes // max(1, sample.total_bytes)
    for item in read_rows(file, sample.has):
        left -= len(item.text.encode())
        if left < 0:
            return
        yield item.text


def _count_file(folder: Path, sample: Sample, job: tuple[CorpusFile, str]) -> None:
    file, name = job
    with replacing(folder / name) as path:
        pq.write_table(count(training_texts(file, sample)), path, compression="zstd")
