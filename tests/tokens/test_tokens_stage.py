"""The tokens stage: every document in one shard exactly, equal bytes however it ran, special text stays text."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import executor_here

from tumbler.artifact import Artifact, Work, begin, finish, open_outside
from tumbler.errors import UserError
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.text.shards import Shards
from tumbler.text.special import SPECIAL
from tumbler.text.tokenizer import Tokenizer
from tumbler.tokens import stage, training
from tumbler.tokens.split import fraction
from tumbler.tokens.stage import TokensSettings, run
from tumbler.tokens.training import Sample, training_texts
from tumbler.views import Table, read_views

SETTINGS = TokensSettings(vocab_size=440, val_fraction=0.2)


def text(number: int) -> str:
    return f"Document {number} tells of the sea, the ships and the {'long ' * (number % 7)}way home. " * 3


def corpus(folder: Path, files: int = 3, each: int = 40) -> Artifact:
    folder.mkdir(parents=True, exist_ok=True)
    for file in range(files):
        numbers = range(file * each, (file + 1) * each)
        rows = [{"text": text(n), "id": f"id{n}", "url": f"https://site/{n}", "language": "en"} for n in numbers]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{file:05}.parquet")
    return open_outside(folder)


def start(folder: Path, settings: TokensSettings, *inputs: Artifact, workers: int | None = None) -> Work:
    executor = Executor(workers) if workers else executor_here()
    return begin(folder, "tokens", "tokens", settings, inputs, executor, Log("tokens"))


def test_every_document_is_in_train_or_val_once_and_decodes_to_its_text(tmp_path: Path) -> None:
    work = start(tmp_path / "out", SETTINGS, corpus(tmp_path / "corpus"))
    outcome = run(SETTINGS, work)
    tokenizer = Tokenizer.load(work.path / "tokenizer")
    rows = []
    for split in ("train", "val"):
        shards = Shards.open(work.path / split)
        for number, row in enumerate(shards.column("row").to_pylist()):
            first, *ids, last = shards.document(number).tolist()
            assert (first, last) == (tokenizer.bos, tokenizer.end)
            assert tokenizer.decode(ids) == text(row)
            assert shards.column("id")[number].as_py() == f"id{row}"
            assert shards.column("url")[number].as_py() == f"https://site/{row}"
            assert shards.column("bytes")[number].as_py() == len(text(row))
            assert (fraction(f"id{row}", "validation") < 0.2) == (split == "val")
            rows.append(row)
    assert sorted(rows) == list(range(120))
    assert outcome.kind == "tokens"
    assert outcome.facts["documents"] == 120
    assert outcome.facts["vocab_size"] == 440
    assert outcome.facts["bytes"] == sum(len(text(number)) for number in range(120))
    lengths = sum(len(tokenizer.encode(text(number))) + 2 for number in range(120))
    assert outcome.facts["tokens"] == lengths
    assert outcome.facts["bytes_per_token"] == round(sum(len(text(n)) for n in range(120)) / (lengths - 240), 3)


def test_workers_make_no_difference(tmp_path: Path) -> None:
    source = corpus(tmp_path / "corpus")
    digests = set()
    for workers in (1, 2):
        work = start(tmp_path / str(workers), SETTINGS, source, workers=workers)
        digests.add(finish(work, run(SETTINGS, work), seconds=0).digest)
    assert len(digests) == 1


def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = corpus(tmp_path / "corpus")
    whole = start(tmp_path / "whole", SETTINGS, source)
    expected = finish(whole, run(SETTINGS, whole), seconds=0).digest

    broken = start(tmp_path / "broken", SETTINGS, source)
    write = stage.write_shard
    calls = []

    def dies_at_the_fourth(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "write_shard", dies_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        run(SETTINGS, broken)
    monkeypatch.setattr(stage, "write_shard", write)
    tokenizer = broken.path / "tokenizer" / "tokenizer.json"
    trained, first = tokenizer.stat().st_mtime_ns, (broken.path / "train" / "00000.bin").stat().st_mtime_ns
    again = start(tmp_path / "broken", SETTINGS, source)
    assert finish(again, run(SETTINGS, again), seconds=0).digest == expected
    assert tokenizer.stat().st_mtime_ns == trained
    assert (broken.path / "train" / "00000.bin").stat().st_mtime_ns == first


def test_special_tokens_spelled_out_in_a_document_stay_text(tmp_path: Path) -> None:
    hostile = "".join(SPECIAL) * 3
    table = pa.table({"text": [hostile, *(text(number) for number in range(60))]})
    pq.write_table(table, tmp_path / "pages.parquet")
    work = start(tmp_path / "out", SETTINGS, open_outside(tmp_path / "pages.parquet"))
    run(SETTINGS, work)
    tokenizer = Tokenizer.load(work.path / "tokenizer")
    found = 0
    for shards in (Shards.open(work.path / "train"), Shards.open(work.path / "val")):
        for number in range(len(shards)):
            ids = shards.document(number).tolist()
            assert not set(ids[1:-1]) & set(tokenizer.special.values())
            found += tokenizer.decode(ids[1:-1]) == hostile
    assert found == 1


def test_a_given_tokenizer_is_used_as_it_is(tmp_path: Path) -> None:
    source = corpus(tmp_path / "corpus")
    given = Tokenizer.train(["some other text entirely, said twice. " * 2], vocab_size=350)
    given.save(tmp_path / "given")
    settings = TokensSettings(val_fraction=0.2, tokenizer=str(tmp_path / "given"))
    work = start(tmp_path / "out", settings, source)
    assert run(settings, work).facts["vocab_size"] == 350
    assert (work.path / "tokenizer" / "tokenizer.json").read_bytes() == (
        tmp_path / "given" / "tokenizer.json"
    ).read_bytes()


def test_validation_documents_do_not_train_the_tokenizer(tmp_path: Path) -> None:
    held_out = next(f"id{n}" for n in range(1000) if fraction(f"id{n}", "validation") < 0.2)
    rows = [{"text": text(n), "id": f"id{n}"} for n in range(120) if f"id{n}" != held_out]
    rows.append({"text": "zyxwvut " * 500, "id": held_out})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "pages.parquet")
    work = start(tmp_path / "out", SETTINGS, open_outside(tmp_path / "pages.parquet"))
    run(SETTINGS, work)
    assert len(Tokenizer.load(work.path / "tokenizer").encode(" zyxwvut")) == 8


def test_train_bytes_bounds_what_the_tokenizer_sees(tmp_path: Path) -> None:
    files = stage.corpus_files([corpus(tmp_path / "corpus")])
    total = sum(file.text_bytes for file in files)
    for share in (0.3, 1.0):  # a sample; and when the sizes in the files' metadata mislead
        sample = Sample(0.2, share, total, train_bytes=5_000)
        texts = [text for file in files for text in training_texts(file, sample)]
        assert 2_000 < sum(len(item) for item in texts) <= 5_000


def test_the_views_show_texts_cut_into_tokens_and_the_longest_tokens(tmp_path: Path) -> None:
    work = start(tmp_path / "out", SETTINGS, corpus(tmp_path / "corpus"))
    run(SETTINGS, work)
    views = read_views(work.path)
    assert set(views) == {"tokenized", "longest_tokens"}
    cut, longest = views["tokenized"], views["longest_tokens"]
    assert isinstance(cut, Table)
    assert isinstance(longest, Table)
    assert str(cut.rows[0][0]).replace("|", "").startswith("Document")
    sizes = [row[1] for row in longest.rows]
    assert sizes == sorted(sizes, reverse=True)


def test_inputs_that_are_no_corpus_are_errors(tmp_path: Path) -> None:
    def fails(source: Artifact, settings: TokensSettings, error: str) -> None:
        with pytest.raises(UserError, match=error):
            run(settings, start(tmp_path / "out", settings, source))
        for item in (tmp_path / "out").iterdir():
            item.unlink() if item.is_file() else None

    empty = tmp_path / "empty.parquet"
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), empty)
    fails(open_outside(empty), SETTINGS, "tokens: its inputs hold no document")
    pq.write_table(pa.table({"body": ["x"]}), tmp_path / "other.parquet")
    fails(open_outside(tmp_path / "other.parquet"), SETTINGS, "has no column 'text' of strings")
    (tmp_path / "junk.parquet").write_bytes(b"junk")
    fails(open_outside(tmp_path / "junk.parquet"), SETTINGS, "junk.parquet: not a Parquet file")
    fails(Artifact(tmp_path, "pages", "", {}), SETTINGS, "is of kind 'pages'; give a corpus")
    pq.write_table(pa.table({"text": ["abc"] * 50}), tmp_path / "tiny.parquet")
    fails(open_outside(tmp_path / "tiny.parquet"), SETTINGS, "vocab_size 440 is too large for these texts: at most 339")


def test_a_split_without_documents_is_an_error(tmp_path: Path) -> None:
    settings = TokensSettings(vocab_size=400, val_fraction=1e-9)
    with pytest.raises(UserError, match="tokens: no document of 120 is for validation"):
        run(settings, start(tmp_path / "out", settings, corpus(tmp_path / "corpus")))


def test_the_split_follows_its_share_and_purposes_are_independent() -> None:
    ids = [f"document {number}" for number in range(20_000)]
    chosen = {id for id in ids if fraction(id, "validation") < 0.1}
    assert 0.09 < len(chosen) / len(ids) < 0.11
    both = sum(fraction(id, "tokenizer") < 0.5 for id in chosen)
    assert 0.45 < both / len(chosen) < 0.55


def test_a_sentencepiece_tokenizer_can_be_trained_and_used(tmp_path: Path) -> None:
    settings = TokensSettings(vocab_size=400, val_fraction=0.2, trainer="sentencepiece")
    work = start(tmp_path / "out", settings, corpus(tmp_path / "corpus"))
    assert run(settings, work).facts["vocab_size"] == 400
    tokenizer = Tokenizer.load(work.path / "tokenizer")
    assert (work.path / "tokenizer" / "tokenizer.model").is_file()
    shards = Shards.open(work.path / "train")
    first, *ids, last = shards.document(0).tolist()
    assert (first, last) == (tokenizer.bos, tokenizer.end)
    assert tokenizer.decode(ids).startswith("Document")


def test_a_checkpoint_among_the_inputs_gives_its_tokenizer(tmp_path: Path) -> None:
    source, folder = corpus(tmp_path / "corpus"), tmp_path / "model"
    Tokenizer.train(["some other text entirely, said twice. " * 2], vocab_size=350).save(folder)
    checkpoint = Artifact(folder, "checkpoint", "digest", {})
    work = start(tmp_path / "out", SETTINGS, source, checkpoint)
    assert run(SETTINGS, work).facts["vocab_size"] == 350
    both = TokensSettings(tokenizer=str(folder))
    with pytest.raises(UserError, match="tokens: has 2 tokenizers"):
        run(both, start(tmp_path / "both", both, source, checkpoint))


def test_a_foreign_tokenizer_frames_documents_with_what_it_has(tmp_path: Path) -> None:
    lines = [base64.b64encode(bytes([byte])) + b" %d" % byte for byte in range(256)]
    (tmp_path / "gpt2.tiktoken").write_bytes(b"\n".join(lines))
    settings = TokensSettings(val_fraction=0.2, tokenizer=str(tmp_path / "gpt2.tiktoken"))
    work = start(tmp_path / "out", settings, corpus(tmp_path / "corpus"))
    assert run(settings, work).facts["bytes_per_token"] == 1.0
    document = Shards.open(work.path / "train").document(0).tolist()
    assert (document[0], document[-1]) == (256, 256)
    assert bytes(document[1:-1]).startswith(b"Document")


def test_counts_are_gone_when_the_tokenizer_is_trained_and_kept_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = corpus(tmp_path / "corpus")
    work = start(tmp_path / "out", SETTINGS, source)
    learn = Tokenizer.from_counts
    monkeypatch.setattr(Tokenizer, "from_counts", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(SETTINGS, work)
    assert len(list((work.path / training.COUNTS).glob("*.parquet"))) == 3
    monkeypatch.setattr(Tokenizer, "from_counts", learn)
    monkeypatch.setattr(training, "count", lambda texts: pytest.fail("counted again"))
    again = start(tmp_path / "out", SETTINGS, source)
    run(SETTINGS, again)
    assert not (work.path / training.COUNTS).exists()


@pytest.mark.parametrize("trainer", ["bpe", "sentencepiece"])
def test_documents_of_a_megabyte_of_one_character_neither_hang_nor_crash(tmp_path: Path, trainer: str) -> None:
    texts = ["a" * 1_000_000, " " * 1_000_000, "\n" * 1_000_000, *(text(number) for number in range(60))]
    pq.write_table(pa.table({"text": texts}), tmp_path / "pages.parquet")
    settings = TokensSettings(vocab_size=420, val_fraction=0.2, trainer=trainer)
    work = start(tmp_path / "out", settings, open_outside(tmp_path / "pages.parquet"))
    begin = time.process_time()
    run(settings, work)
    assert time.process_time() - begin < 20
