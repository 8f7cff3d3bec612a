"""Token artifacts of a few sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tumbler.artifact import Artifact, Outcome, begin, finish
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.pretrain.settings import PretrainSettings
from tumbler.text.shards import TokenDocument, write_shard
from tumbler.text.tokenizer import Tokenizer

TEXTS = tuple(f"Document {n} tells of the sea, the ships and the {'long ' * (n % 7)}way home. " for n in range(80))


def tokens(folder: Path, tokenizer: Tokenizer, texts: Sequence[str] = TEXTS) -> Artifact:
    """The last quarter of the texts is for validation."""
    work = begin(folder, folder.name, "tokens", PretrainSettings(), (), Executor(1), Log("tokens"))
    tokenizer.save(folder / "tokenizer")
    cut = len(texts) * 3 // 4
    for split, numbers in (("train", range(cut)), ("val", range(cut, len(texts)))):
        (folder / split).mkdir()
        documents = [
            TokenDocument(tokenizer.document(ids), f"id{n}", f"u{n}", n, len(texts[n]))
            for n, ids in zip(numbers, tokenizer.encode_arrays([texts[n] for n in numbers]), strict=True)
        ]
        write_shard(folder / split / "00000.bin", folder / split / "00000.parquet", documents, tokenizer.vocab_size)
    return finish(work, Outcome("tokens", {}, ("MIT",)), 0.0)
