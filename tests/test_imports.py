"""What is imported along, and what is spared."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from tumbler.imports import without


def test_a_package_seems_absent_only_inside() -> None:
    sys.modules.pop("this", None)
    with without("this"), pytest.raises(ModuleNotFoundError, match="No module named 'this'"):
        importlib.import_module("this")
    assert importlib.util.find_spec("this") is not None


def test_pyarrow_makes_columns_without_pandas_and_pandas_tables_still() -> None:
    pytest.importorskip("pandas")
    script = (
        "import sys, pyarrow as pa; from tumbler.imports import spare_pandas; spare_pandas(); pa.array(['a'])\n"
        "assert 'pandas' not in sys.modules; assert len(pa.table({'a': [1, 2]}).to_pandas()) == 2\n"
        "import pandas; assert pa.array(pandas.Series([1, None])).null_count == 1"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_data_stages_load_no_heavy_package_that_they_may_not_need() -> None:
    heavy = ("torch", "pandas", "spacy", "requests", "tldextract", "scrapy")
    script = f"import sys, tumbler.crawl.stage, tumbler.corpus.stage; print(set({heavy}) & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "set()"
