"""Main text of HTML: F1, precision, recall and speed of our extraction beside resiliparse's and trafilatura's.

    git clone https://github.com/scrapinghub/article-extraction-benchmark
    python benchmarks/extraction.py article-extraction-benchmark

The scores are the benchmark's own (shingles of four words, its `evaluate.py`). Our rules were made by looking at one
half of its pages; the other half shows how well they hold elsewhere. The methods take turns, each going through all
pages, `--rounds` times; the fastest time of each page counts, in seconds of CPU.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import random
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType

import trafilatura
from resiliparse.extract.html2text import extract_plain_text

from tumbler.corpus.extraction.extraction import Extraction

Method = Callable[[str], str]
OURS = Extraction()
FINEWEB = Extraction(method="trafilatura")
METHODS: Mapping[str, Method] = {
    "resiliparse, main content": lambda page: extract_plain_text(
        page, main_content=True, comments=False, alt_texts=False
    ),
    "ours": lambda page: OURS(page, "html"),
    "trafilatura": lambda page: trafilatura.extract(page, include_comments=False) or "",
    "trafilatura, as in FineWeb": lambda page: FINEWEB(page, "html"),
}
HEADER = f"{'':28}     F1  precision  recall  F1 seen half  F1 other half  pages/s  speed"


def main() -> None:
    options = _options()
    evaluate = _evaluate(options.folder / "evaluate.py")
    truth = json.loads((options.folder / "ground-truth.json").read_text(encoding="utf-8"))
    pages = {key: _page(options.folder, key) for key in sorted(truth)}
    seen = set(random.Random(0).sample(sorted(truth), len(truth) // 2))
    texts, seconds = _extract(pages, options.rounds)
    print(f"{len(pages)} pages, {sum(map(len, pages.values())) / len(pages):,.0f} characters each")
    print(HEADER)
    base = seconds["resiliparse, main content"]
    for name in METHODS:
        scored = {key: evaluate.string_shingle_matching(truth[key]["articleBody"], texts[name][key]) for key in truth}
        whole, half, rest = (_metrics(evaluate, scored, keys) for keys in (truth, seen, truth.keys() - seen))
        print(
            f"{name:28}{whole['f1']:7.3f}{whole['precision']:11.3f}{whole['recall']:8.3f}{half['f1']:14.3f}"
            f"{rest['f1']:15.3f}{len(pages) / seconds[name]:9.0f}{base / seconds[name]:7.0%}"
        )


def _metrics(evaluate: ModuleType, scored: Mapping[str, object], keys: Iterable[str]) -> dict[str, float]:
    metrics: dict[str, float] = evaluate.metrics_from_tp_fp_fns([scored[key] for key in sorted(keys)])
    return metrics


def _extract(pages: Mapping[str, str], rounds: int) -> tuple[dict[str, dict[str, str]], dict[str, float]]:
    """Of each method: the text of each page, and the seconds for all pages."""
    texts: dict[str, dict[str, str]] = {name: {} for name in METHODS}
    fastest = {name: dict.fromkeys(pages, float("inf")) for name in METHODS}
    for _ in range(rounds):
        for name, method in METHODS.items():
            for key, page in pages.items():
                start = time.process_time()
                texts[name][key] = method(page)
                fastest[name][key] = min(fastest[name][key], time.process_time() - start)
    return texts, {name: sum(times.values()) for name, times in fastest.items()}


def _page(folder: Path, key: str) -> str:
    with gzip.open(folder / "html" / f"{key}.html.gz", "rt", encoding="utf-8") as file:
        return file.read()


def _evaluate(path: Path) -> ModuleType:
    """The benchmark's own scoring, from its folder."""
    spec = importlib.util.spec_from_file_location("evaluate", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a clone of scrapinghub/article-extraction-benchmark")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
