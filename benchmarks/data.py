"""Web pages to documents: pages a second of tumbler and of datatrove, on the same files, in one run.

    python benchmarks/data.py warc/docs-00000.warc.gz
    python benchmarks/data.py --mode text --repeat 3 warc/*.warc.gz

Modes: `full`, each with its own extractor (ours resiliparse, datatrove's trafilatura); `trafilatura`, the same
extractor in both; `text`, from texts extracted beforehand, the same for both. Both run FineWeb's rules and write
deduplicated Parquet, with one worker. Each run is a command of its own, timed from its start to its end; the two
take turns. Needs `datatrove[processing]`, `warcio`, `faust-cchardet`, `python-magic` and `orjson`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MODES = ("full", "trafilatura", "text")


def main() -> None:
    options = _options()
    if options.part:
        found = PARTS[options.part](options.files, options.mode, Path(options.out))
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(json.dumps({"peak_mb": peak / 1024, **found}))
        return
    for mode in options.mode.split(","):
        compare(options.files, mode, options.repeat)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="WARC files")
    parser.add_argument("--mode", default="full", help=f"of {', '.join(MODES)}; several with commas between")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the median is shown")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--out", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(files: list[str], mode: str, repeat: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if mode == "text":
            files = [str(Path(folder) / "texts.jsonl")]
            run("texts", _options().files, mode, files[0])
        runs: dict[str, list[dict[str, Any]]] = {"datatrove": [], "tumbler": [], "tumbler x2": []}
        for number in range(repeat):
            for name, part in (("datatrove", "datatrove"), ("tumbler", "ours"), ("tumbler x2", "ours2")):
                runs[name].append(run(part, files, mode, f"{folder}/{part}{number}"))
        shown(mode, runs)
        steps = run("steps", files, mode, f"{folder}/steps")["steps"]
        limits = run("limits", _options().files, mode, "")["steps"] if mode != "text" else {}
        step_table(steps, runs["datatrove"][-1]["steps"], limits)


def run(part: str, files: list[str], mode: str, out: str) -> dict[str, Any]:
    command = [sys.executable, __file__, *files, "--mode", mode, "--part", part, "--out", out]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # as installed
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=kept)
    seconds = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{part}: {done.stderr[-2000:]}")
    return {"seconds": seconds, **json.loads(done.stdout.splitlines()[-1])}


def shown(mode: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    median = {name: statistics.median(item["seconds"] for item in items) for name, items in runs.items()}
    print(f"\n{mode}: {runs['tumbler'][0]['pages']:,} pages")
    print(f"  {'':12}{'seconds':>9}{'pages/s':>9}{'documents':>11}{'peak MB':>9}{'ratio':>8}")
    for name, items in runs.items():
        rate = runs["tumbler"][0]["pages"] / median[name]
        ratio = median["datatrove"] / median[name]
        peak = max(item["peak_mb"] for item in items)
        print(f"  {name:12}{median[name]:9.2f}{rate:9.0f}{items[0]['documents']:11,}{peak:9.0f}{ratio:8.2f}")
    print(f"  two processes are {median['tumbler'] / median['tumbler x2']:.2f} times one")


def step_table(ours: dict[str, list[float]], theirs: dict[str, list[float]], limits: dict[str, list[float]]) -> None:
    print(f"  {'step':24}{'tumbler s':>10}{'items':>8}{'ms/item':>9}{'datatrove s':>13}{'items':>8}{'ms/item':>9}")
    for name in dict.fromkeys([*ours, *theirs]):
        print(f"  {name:24}{_cells(ours.get(name), 10)}{_cells(theirs.get(name), 13)}")
    for name, cells in limits.items():
        print(f"  limit: {name:17}{_cells(cells, 10)}")


def _cells(cells: list[float] | None, width: int) -> str:
    if not cells:
        return " " * (width + 17)
    seconds, items = cells
    return f"{seconds:{width}.2f}{int(items):8,}{1000 * seconds / max(items, 1):9.3f}"


def ours(files: list[str], mode: str, out: Path, workers: int = 1) -> dict[str, Any]:
    from tumbler.pipeline import executor_of, run_recipe, settings_of
    from tumbler.recipe import from_table

    extraction = {"method": "trafilatura"} if mode == "trafilatura" else {}
    recipe = {
        "executor": {"workers": workers},
        "step": [
            {"name": "crawl", "stage": "crawl", "sources": files},
            {"name": "corpus", "stage": "corpus", "inputs": ["crawl"], "extraction": extraction},
        ],
    }
    with executor_of(recipe, out) as executor:
        _, corpus = run_recipe(from_table(recipe, "benchmark", [], settings_of), out, executor=executor)
    facts = corpus.artifact.facts
    return {"pages": facts["read"], "documents": facts["documents"]}


def datatrove(files: list[str], mode: str, out: Path) -> dict[str, Any]:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
    from datatrove.pipeline.dedup import MinhashDedupSignature as Signature
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
        LanguageFilter,
        URLFilter,
    )
    from datatrove.pipeline.formatters import PIIFormatter
    from datatrove.pipeline.readers import JsonlReader, ParquetReader, WarcReader
    from datatrove.pipeline.writers import ParquetWriter

    folder, names = Path(files[0]).parent, [Path(name).name for name in files]
    reader = JsonlReader if mode == "text" else WarcReader
    LanguageFilter._requires_dependencies = []  # fasttext is here, as another distribution than it asks for
    language = LanguageFilter(languages=["en"])
    language.model._model = Lid176()
    out.mkdir(parents=True)
    (out / "paths").write_text("\n".join(names))
    begin = [reader(str(folder), paths_file=str(out / "paths")), URLFilter(use_integrated_lists=False)]
    begin += [] if mode == "text" else [Trafilatura(favour_precision=True)]
    rules = [language, GopherRepetitionFilter(), GopherQualityFilter()]
    rules += [C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter()]
    kept = ParquetReader(f"{out}/kept")
    stages = [
        [*begin, *rules, ParquetWriter(f"{out}/kept")],
        [kept, Signature(f"{out}/signatures")],
        [MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets")],
        [MinhashDedupCluster(f"{out}/buckets", f"{out}/remove")],
        [kept, MinhashDedupFilter(f"{out}/remove"), PIIFormatter(), ParquetWriter(f"{out}/final")],
    ]
    stats = []
    for number, stage in enumerate(stages):
        tasks = 14 if number == 2 else 1
        executor = LocalPipelineExecutor(stage, tasks=tasks, workers=1, logging_dir=f"{out}/logs{number}")
        stats.append(executor.run())
    import pyarrow.parquet as pq

    documents = sum(pq.read_metadata(path).num_rows for path in (out / "final").glob("*.parquet"))
    return {"documents": documents, "steps": dict(_their_steps(stats))}


class Lid176:
    """The model that tumbler uses too, fastText's compressed lid.176, as datatrove calls it."""

    def predict(self, text: str, k: int) -> Any:
        import numpy as np

        from tumbler.corpus.rules.language import _model

        labels, scores = _model().predict(text, k=k)
        return labels, np.array(scores)


STEPS = {
    "Warc": "read",
    "Jsonl": "read",
    "Url-filter": "url filter",
    "Trafilatura": "extraction",
    "Language ID": "language",
    "Gopher Repetition": "gopher repetition",
    "Gopher Quality": "gopher quality",
    "C4 Quality": "c4",
    "FineWeb Quality": "fineweb quality",
    "MinHash stage 1": "minhash signatures",
    "PII": "pii",
}


def _their_steps(stats: list[Any]) -> Iterator[tuple[str, list[float]]]:
    for pipeline in stats:
        for step in pipeline.stats:
            for key, name in STEPS.items():
                if key in step.name:
                    yield name, [step.time_stats.total, step.time_stats.n or 1]


def texts(files: list[str], mode: str, out: Path) -> dict[str, Any]:
    """Write the texts of all pages, extracted by resiliparse, as JSON lines that both can read."""
    from tumbler.corpus.extraction.extraction import Extraction

    extraction = Extraction()
    with out.open("w") as file:
        for page in _pages(files):
            if text := extraction(page.body, "html"):
                file.write(
                    json.dumps({"text": text, "id": page.id, "url": page.url, "metadata": {"url": page.url}}) + "\n"
                )
    return {}


def _pages(files: list[str]) -> Iterator[Any]:
    """The pages of WARC files, or the lines of a JSONL file of texts."""
    import fsspec

    from tumbler.crawl.file_readers import READERS
    from tumbler.crawl.pages import Page
    from tumbler.crawl.sources import Reading, plan

    for shard in plan(files, []):
        for source in shard.sources:
            with fsspec.open(source.path, "rb") as file:
                for record in READERS[shard.kind](file, source, Reading(10 << 20)):
                    if isinstance(record, Page):
                        yield record


def steps(files: list[str], mode: str, out: Path) -> dict[str, Any]:
    """Each of our steps by itself, over the pages that come to it."""
    from tumbler.corpus.rules.blocklist import Blocklist
    from tumbler.corpus.stage import CorpusSettings
    from tumbler.corpus.words.prose import Prose, lexicon

    rules = CorpusSettings.model_validate({"extraction": {"method": "trafilatura"}} if mode == "trafilatura" else {})
    lexicon()
    rules.language.identify("warm")
    found: dict[str, list[float]] = {}

    def timed(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        begun = time.perf_counter()
        result = function(*arguments)
        cells = found.setdefault(name, [0.0, 0])
        cells[0] += time.perf_counter() - begun
        cells[1] += 1
        return result

    begun = time.perf_counter()
    pages = list(_pages(files))
    found["read"] = [time.perf_counter() - begun, len(pages)]
    for page in pages:
        if timed("url filter", rules.url_filter, page.url, Blocklist()):
            continue
        text = page.body if mode == "text" else timed("extraction", rules.extraction, page.body, page.form)
        if not text or rules.language(timed("language", rules.language.identify, text)):
            continue
        prose = Prose(text)
        timed("words", lambda prose=prose: prose.ids)
        if timed("gopher repetition", rules.gopher_repetition, prose) or timed(
            "gopher quality", rules.gopher_quality, prose
        ):
            continue
        timed("minhash signatures", rules.minhash.band_keys, text)
        refined = timed("c4", rules.c4, text)
        if rules.c4.judge(refined) or timed("fineweb quality", rules.fineweb_quality, Prose(refined.text)):
            continue
        timed("pii", rules.pii, refined.text)
    return {"steps": found}


def limits(files: list[str], mode: str, out: Path) -> dict[str, Any]:
    """What no program can do without: to inflate the files, to parse the pages."""
    import gzip

    from resiliparse.parse.html import HTMLTree

    begun = time.perf_counter()
    for name in files:
        with gzip.open(name) as file:
            while file.read(1 << 20):
                pass
    inflate = time.perf_counter() - begun
    pages = list(_pages(files))
    begun = time.perf_counter()
    for page in pages:
        HTMLTree.parse(page.body)
    parse = time.perf_counter() - begun
    return {"steps": {"inflate": [inflate, len(pages)], "parse HTML": [parse, len(pages)]}}


PARTS: dict[str, Callable[[list[str], str, Path], dict[str, Any]]] = {
    "ours": ours,
    "ours2": lambda files, mode, out: ours(files, mode, out, workers=2),
    "datatrove": datatrove,
    "texts": texts,
    "steps": steps,
    "limits": limits,
}

if __name__ == "__main__":
    main()
