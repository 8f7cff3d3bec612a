"""Decided again from statistics: as if the corpus had been made anew with the other thresholds."""

from __future__ import annotations

import ast
import inspect
import random
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler import cli
from tumbler.artifact import Artifact, begin, finish
from tumbler.corpus import comparison
from tumbler.corpus.duplicates.minhash import MinHash
from tumbler.corpus.replay import Decisions, replay
from tumbler.corpus.report.flow import KEPT, Tally, by_outcome
from tumbler.corpus.rules.c4 import C4Quality
from tumbler.corpus.rules.gopher_quality import GopherQuality
from tumbler.corpus.rules.language import LanguageFilter
from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.stage import CorpusSettings, run
from tumbler.corpus.statistics import BEFORE, BEHIND, MEASURED, columns, from_rows, row, statistics_class
from tumbler.corpus.statistics_reader import StatisticsFiles
from tumbler.errors import UserError
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.recipe import validate

COMMON = """
    the of and that have with this from they which their would there been when more other some time people about could
    first after water these two where most through years work such also great because every house country between never
"""
SETTINGS = CorpusSettings(c4=C4Quality(min_sentences=3), minhash=MinHash(bands=4, rows=2), keep_statistics=True)
PAGE = dict.fromkeys(("url", "date", "dump", "licence", "file_path"), "") | {"form": "text"}
OTHERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "shorter texts": {"gopher_quality": {"min_words": 20}},
    "longer texts": {"gopher_quality": {"min_words": 90}},
    "other languages": {"language": {"languages": ["en", "de"], "threshold": 0.5}},
    "a rule off": {"gopher_repetition": {"enabled": False}},
    "near duplicates stay": {"minhash": {"enabled": False, "bands": 4, "rows": 2}},
    "exact duplicates are near": {"exact_duplicates": {"enabled": False}},
    "more sentences": {"c4": {"min_sentences": 7}},
    "fewer lines": {"fineweb_quality": {"max_newlines_per_word": 0.01, "min_end_marks": 0.9}},
}  # fmt: skip


def rules_of(settings: CorpusSettings) -> dict[str, Rule]:
    return {name: getattr(settings, name) for name in (*BEFORE, *BEHIND)}


def prose(draw: random.Random, sentences: int) -> str:
    lines = (" ".join(draw.choices(COMMON.split(), k=draw.randint(5, 14))) for _ in range(sentences))
    return draw.choice([" ", "\n"]).join(line.capitalize() + draw.choice([".", ".", ""]) for line in lines)


def texts() -> list[str]:
    """Prose of all lengths, some of it repeated, after one too short to count, or between lines that C4 takes out."""
    draw = random.Random(5)
    made = [prose(draw, draw.randint(1, 14)) for _ in range(150)]
    made += ["Dies ist ein deutscher Text über die Berge und die Flüsse des Landes. " * 3, "again and again\n\n" * 30]
    made += [text + " That was all of it." for text in made[:20]] + made[20:40]
    made += ["\n".join([text, *(" ".join(draw.sample(COMMON.split(), 2)) for _ in range(20))]) for text in made[40:60]]
    draw.shuffle(made)
    short = [" ".join(draw.choices(COMMON.split(), k=45)) + "." for _ in range(5)]
    return [*short, *made, *(text + " Here are six more words." * 2 for text in short)]


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(1) as shared_by_all_runs:
        yield shared_by_all_runs


def corpus(crawl: Artifact, folder: Path, settings: CorpusSettings, executor: Executor) -> Artifact:
    work = begin(folder, "corpus", "corpus", settings, [crawl], executor, Log("corpus"))
    return finish(work, run(settings, work), 0.0)


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """`texts()` as pages, in two files."""
    folder = tmp_path_factory.mktemp("crawl")
    (folder / "pages").mkdir()
    for shard, part in enumerate((texts()[:70], texts()[70:])):
        rows = [{**PAGE, "id": f"{shard}-{number}", "body": text} for number, text in enumerate(part)]
        pq.write_table(pa.Table.from_pylist(rows), folder / "pages" / f"{shard:05d}.parquet")
    return Artifact(folder, "pages", "digest", {"step": "crawl"})


@pytest.fixture(scope="module")
def made(crawl: Artifact, executor: Executor, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return corpus(crawl, tmp_path_factory.mktemp("corpus") / "made", SETTINGS, executor)


def outcomes(artifact: Artifact) -> dict[str, int]:
    return {KEPT: artifact.facts["kept"], **artifact.facts["dropped"]}


def pages(tally: Tally) -> dict[str, int]:
    return {outcome: amount.pages for outcome, amount in by_outcome(tally).items()}


@pytest.mark.parametrize("name", OTHERS)
def test_a_replay_comes_to_what_a_corpus_made_anew_comes_to(
    crawl: Artifact, made: Artifact, executor: Executor, name: str, tmp_path: Path
) -> None:
    now = validate(CorpusSettings, SETTINGS.model_dump(mode="json") | OTHERS[name], "test")
    comparison.check(SETTINGS, now)
    before, after = replay(StatisticsFiles.of(made.path), [Decisions.of(SETTINGS), Decisions.of(now)])
    assert pages(before) == outcomes(made)
    assert by_outcome(before)[KEPT].bytes == made.facts["bytes"]
    assert pages(after) == outcomes(corpus(crawl, tmp_path / "anew", now, executor))
    assert (pages(after) == pages(before)) == (name == "nothing")


def test_what_a_rule_without_statistics_said_stands(made: Artifact, tmp_path: Path) -> None:
    (tmp_path / "statistics").mkdir()
    for path in StatisticsFiles.of(made.path).paths:
        table = pq.read_table(path)
        late = pa.array([text or "decontamination:mmlu" for text in table["late"].to_pylist()])
        said = table.set_column(table.schema.get_field_index("late"), "late", late)
        pq.write_table(said, tmp_path / "statistics" / path.name)
    [tally] = replay(StatisticsFiles.of(tmp_path), [Decisions.of(SETTINGS)])
    assert pages(tally)["decontamination:mmlu"] == outcomes(made)[KEPT]
    assert KEPT not in pages(tally)


def test_the_tables_show_both_sides_and_the_difference(made: Artifact) -> None:
    now = SETTINGS.model_copy(update={"gopher_quality": GopherQuality(min_words=90)})
    old, new = replay(StatisticsFiles.of(made.path), [Decisions.of(SETTINGS), Decisions.of(now)])
    kept, dropped = comparison.tables(old, new)
    was, left = pages(old)[KEPT], pages(new)[KEPT]
    assert kept.rows[0] == ("documents", str(was), str(left), f"−{was - left}")
    assert [str(row[0]) for row in dropped.rows][:2] == ["language", "gopher_repetition"]
    assert all(int(row[2]) - int(row[1]) == int(str(row[3]).replace("−", "-") or 0) for row in dropped.rows)


def test_the_verb_prints_what_would_change(made: Artifact, capsys: pytest.CaptureFixture[str]) -> None:
    cli.runs.replay(made.path, ["gopher_quality.min_words=90"])
    assert "gopher_quality" in capsys.readouterr().out
    with pytest.raises(UserError, match="did you mean 'min_words'"):
        cli.runs.replay(made.path, ["gopher_quality.min_word=90"])


STRATEGIES: dict[Any, Any] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    str: st.text(max_size=9),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    if kind in STRATEGIES:
        return STRATEGIES[kind]
    if get_origin(kind) in (tuple, frozenset):
        return st.lists(values(get_args(kind)[0]), max_size=4).map(get_origin(kind))
    return st.none() | values(get_args(kind)[0])


@given(st.data())
def test_statistics_survive_their_columns(data: st.DataObject) -> None:
    for name, rule in rules_of(SETTINGS).items():
        cls = statistics_class(type(rule))
        kinds = {field: values(kind) for field, kind in get_type_hints(cls).items()}
        found = data.draw(st.lists(st.builds(cls, **kinds), min_size=1, max_size=3))
        rows = [row({name: rule}, {name: item}) for item in found]
        [batch] = pa.Table.from_pylist(rows, schema=columns({name: rule}, bands=0)).to_batches()
        assert list(from_rows(name, type(rule), batch)) == found


@pytest.mark.parametrize("name", [*BEFORE, *BEHIND])
def test_a_setting_is_decided_later_or_known_to_be_measured(name: str) -> None:
    """What `judge` reads can change; what it never reads was used up when the text was measured."""
    rule = type(rules_of(SETTINGS)[name])
    judged = rule.__call__ if rule is LanguageFilter else rule.judge  # type: ignore[attr-defined]
    read = set(_own_attributes(ast.parse(textwrap.dedent(inspect.getsource(judged)))))
    assert set(rule.model_fields) - read - {"enabled"} == MEASURED.get(name, frozenset()) - {"enabled"}


def _own_attributes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            yield node.attr


@pytest.mark.parametrize(
    ("other", "line"),
    [
        ({"extraction": {"main_content": False}}, "extraction.main_content shapes what was measured"),
        ({"gopher_quality": {"stop_words": ["der"]}}, "gopher_quality.stop_words shapes what was measured"),
        ({"c4": {"enabled": False, "min_sentences": 3}}, "c4.enabled shapes what was measured"),
        ({"language": {"threshold": 0.1}}, "language.threshold = 0.1 is below 0.33"),
    ],
)
def test_what_statistics_cannot_tell_is_refused(other: Mapping[str, Any], line: str) -> None:
    now = validate(CorpusSettings, SETTINGS.model_dump(mode="json") | other, "test")
    with pytest.raises(UserError, match=line.replace(".", r"\.")):
        comparison.check(SETTINGS, now)


def test_signatures_that_were_not_kept_are_missed() -> None:
    without = CorpusSettings(minhash=MinHash(enabled=False))
    with pytest.raises(UserError, match="no signatures were kept"):
        comparison.check(without, CorpusSettings())


def test_a_corpus_without_statistics_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="keep_statistics = true"):
        StatisticsFiles.of(tmp_path)
