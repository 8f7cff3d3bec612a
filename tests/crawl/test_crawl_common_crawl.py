"""A snapshot of Common Crawl from a hostile server: the same bytes as from a copy, and each file fetched once."""

from __future__ import annotations

import gzip
import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hostile_server import Handler, Site, answer, cut, hang_up, ignore_range, lying_range, serving
from hypothesis import given
from hypothesis import strategies as st

from tumbler import pipeline
from tumbler import recipe as recipes
from tumbler.artifact import Artifact, begin, finish
from tumbler.crawl.common_crawl import parse_listing, sample
from tumbler.crawl.stage import CrawlSettings, run
from tumbler.errors import Failure, UserError
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.recipe import validate

SNAPSHOT = "CC-MAIN-2024-10"
FILES = 4
EXECUTOR = Executor(1)
QUICK = {"delay": 0, "backoff": 0.001, "timeout": 5.0, "tries": 4}


@pytest.fixture(scope="module", autouse=True)
def _workers_end() -> Iterator[None]:
    yield
    EXECUTOR.close()


def path(number: int, kind: str = "warc") -> str:
    suffix = {"warc": "warc.gz", "wet": "warc.wet.gz"}[kind]
    return f"crawl-data/{SNAPSHOT}/segments/17.{number}/{kind}/CC-MAIN-{number:05d}.{suffix}"


def record(kind: str, url: str, block: bytes, content_type: str) -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{url}>\r\nWARC-Target-URI: {url}\r\n"
    head += f"WARC-Date: 2024-03-01T00:00:00Z\r\nContent-Type: {content_type}\r\nContent-Length: {len(block)}\r\n\r\n"
    return gzip.compress(head.encode() + block + b"\r\n\r\n", mtime=0)


def warc(number: int, pages: int = 20) -> bytes:
    about = b"isPartOf: " + SNAPSHOT.encode() + b"\r\n"
    file = io.BytesIO(record("warcinfo", "", about, "application/warc-fields"))
    file.seek(0, io.SEEK_END)
    for page in range(pages):
        body = f"<p>page {page} of {number}: {'x' * page}</p>".encode()
        http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
        file.write(record("response", f"http://a.org/{number}/{page}", http, "application/http"))
    return file.getvalue()


def wet(number: int) -> bytes:
    return record("conversion", f"http://a.org/{number}", f"text of {number}".encode(), "text/plain")


@pytest.fixture
def site() -> Iterator[Site]:
    files = {f"/{path(number)}": warc(number) for number in range(FILES)}
    files |= {f"/{path(number, 'wet')}": wet(number) for number in range(FILES)}
    for kind in ("warc", "wet"):
        listing = "".join(f"{path(number, kind)}\n" for number in range(FILES))
        files[f"/crawl-data/{SNAPSHOT}/{kind}.paths.gz"] = gzip.compress(listing.encode())
    with serving(Site(files)) as running:
        yield running


def crawl(out: Path, **settings: object) -> Artifact:
    checked = validate(CrawlSettings, settings, "crawl")
    work = begin(out, "crawl", "crawl", checked, [], EXECUTOR, Log("crawl"))
    return finish(work, run(checked, work), 0.0)


def snapshot(site: Site, out: Path, **more: object) -> Artifact:
    table = {"snapshot": SNAPSHOT, "host": site.url, "files": "all", "http": QUICK, **more}
    return crawl(out, common_crawl=table)


def copy(site: Site, folder: Path, suffix: str = ".warc.gz") -> None:
    for name, content in site.files.items():
        if name.endswith(suffix):
            (folder / name[1:]).parent.mkdir(parents=True, exist_ok=True)
            (folder / name[1:]).write_bytes(content)


def page_files(artifact: Artifact) -> list[bytes]:
    return [file.read_bytes() for file in sorted((artifact.path / "pages").iterdir())]


@pytest.mark.parametrize("kind", ["warc", "wet"])
def test_pages_are_those_of_a_copy_on_this_machine(
    site: Site, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(site, tmp_path, f".{kind}.gz" if kind == "wet" else ".warc.gz")
    monkeypatch.chdir(tmp_path)
    there = snapshot(site, tmp_path / "there", kind=kind)
    here = crawl(tmp_path / "here", sources=["crawl-data"])
    assert page_files(there) == page_files(here)
    assert pq.read_table(there.path / "pages").column("file_path")[0].as_py() == path(0, kind)
    assert there.facts["kept"] == here.facts["kept"] == (FILES if kind == "wet" else FILES * 20)
    assert there.facts["sources"] == FILES
    assert (there.path / "paths.txt").read_text().split() == [path(number, kind) for number in range(FILES)]
    assert not (there.path / "resume").exists()


def test_a_hostile_server_changes_no_byte(site: Site, tmp_path: Path) -> None:
    calm = snapshot(site, tmp_path / "calm")
    site.asked.clear()
    site.trouble = {
        f"/crawl-data/{SNAPSHOT}/warc.paths.gz": [answer(503), cut(20)],
        f"/{path(0)}": [cut(1500), cut(700)],
        f"/{path(1)}": [answer(503, Retry_After=0), cut(1500), ignore_range],
        f"/{path(2)}": [cut(1500), lying_range],
        f"/{path(3)}": [hang_up, answer(429), answer(500, b"<h1>sorry</h1>")],
    }
    assert snapshot(site, tmp_path / "hostile").digest == calm.digest
    assert not any(site.trouble.values())


def test_finished_files_are_not_fetched_again_after_a_failure(site: Site, tmp_path: Path) -> None:
    site.trouble[f"/{path(2)}"] = [cut(1500), *[hang_up] * 3]
    with pytest.raises(Failure, match=rf"{site.url}/{path(2)}: given up after 4 tries .* from the 1,500 bytes on disk"):
        snapshot(site, tmp_path / "out")
    left = {file.name.rpartition(".gz")[0] for file in (tmp_path / "out/resume/downloads").iterdir() if file.is_file()}
    assert left == {"00002-CC-MAIN-00002.warc"}, "files that were read are deleted"
    before = len(site.asked)
    again = snapshot(site, tmp_path / "out")
    assert site.paths()[before:] == [f"/{path(2)}", f"/{path(3)}"]
    assert page_files(again) == page_files(snapshot(site, tmp_path / "unbroken"))


def test_a_killed_run_goes_on_in_the_middle_of_a_file(site: Site, tmp_path: Path) -> None:
    halfway, gone = threading.Event(), threading.Event()

    def stall(handler: Handler, body: bytes) -> None:
        cut(len(body) // 2)(handler, body)
        halfway.set()
        gone.wait(20)

    site.trouble[f"/{path(2)}"] = [stall]
    table = {"snapshot": SNAPSHOT, "host": site.url, "http": {**QUICK, "connections": 1}}
    settings = [f"common_crawl={recipes.toml_value(table)}"]
    command = [sys.executable, "-m", "tumbler", "crawl", "--out", str(tmp_path / "out"), "--workers", "1"]
    command += [part for item in settings for part in ("--set", item)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert halfway.wait(30), process.communicate()
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.3)
    gone.set()
    before = len(site.asked)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert site.paths()[before:] == [f"/{path(2)}", f"/{path(3)}"]
    assert int(site.asked[before].headers["Range"].removeprefix("bytes=").rstrip("-")) > 0
    unbroken = snapshot(site, tmp_path / "unbroken")
    assert page_files(Artifact(tmp_path / "out", "", "", {})) == page_files(unbroken)


def test_a_file_cut_at_its_home_is_read_as_far_as_it_goes(site: Site, tmp_path: Path) -> None:
    site.files[f"/{path(1)}"] = site.files[f"/{path(1)}"][:-50]
    facts = snapshot(site, tmp_path / "out").facts
    assert facts["kept"] == FILES * 20 - 1
    assert sum(facts["dropped"].values()) == FILES + 1, "the lists of contents and the record that was cut"


def test_an_unknown_snapshot_is_the_users_mistake(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no snapshot 'CC-MAIN-2099-01' .*warc\.paths\.gz is not there"):
        snapshot(site, tmp_path / "out", snapshot="CC-MAIN-2099-01")


@pytest.mark.parametrize(
    ("listing", "error"),
    [
        (b"<html>welcome</html>", "no gzip file of paths"),
        (gzip.compress(b"<html>welcome</html>"), r"paths\.gz:1: '<html>welcome</html>' is no path of a WARC file"),
        (gzip.compress(b"crawl-data/../../etc/x.warc.gz"), "is no path of a WARC file"),
        (gzip.compress(b"\n"), "lists no files"),
        (gzip.compress(b"\xff"), "no gzip file of paths"),
        (gzip.compress(b"\n" * (65 << 20)), "unpacks to more than 67,108,864 bytes"),
    ],
)
def test_a_listing_that_is_none_is_a_clear_error(site: Site, tmp_path: Path, listing: bytes, error: str) -> None:
    site.files[f"/crawl-data/{SNAPSHOT}/warc.paths.gz"] = listing
    with pytest.raises(UserError, match=error):
        snapshot(site, tmp_path / "out")


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ({"snapshto": "CC-MAIN-2024-10"}, r"unknown key 'common_crawl\.snapshto'; did you mean 'snapshot'\?"),
        ({"snapshot": "../x"}, r"common_crawl\.snapshot = '\.\./x': string should match"),
        ({"snapshot": SNAPSHOT, "files": 0}, r"greater than or equal to 1"),
        ({"snapshot": SNAPSHOT, "host": "data.commoncrawl.org"}, r"common_crawl\.host = 'data\.commoncrawl\.org'"),
    ],
)
def test_a_wrong_setting_is_the_users_mistake(table: dict[str, object], error: str) -> None:
    with pytest.raises(UserError, match=error):
        validate(CrawlSettings, {"common_crawl": table}, "crawl")


def test_a_step_has_one_kind_of_source(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"crawl: has sources and common_crawl, a step takes one of them"):
        crawl(tmp_path / "out", sources=["x"], common_crawl={"snapshot": SNAPSHOT})


@given(st.integers(1, 400), st.integers(1, 500), st.integers())
def test_a_sample_is_spread_evenly_over_the_list(length: int, files: int, seed: int) -> None:
    paths = [f"{number:04d}" for number in range(length)]
    drawn = sample(paths, files, seed)
    assert len(drawn) == min(length, files)
    assert drawn == sorted(set(drawn)) == sample(paths, files, seed)
    for number, name in enumerate(drawn):
        assert abs(int(name) - (number + 0.5) * length / len(drawn)) <= length / len(drawn) / 2 + 1


def test_another_seed_draws_other_files() -> None:
    paths = [path(number) for number in range(1000)]
    assert sample(paths, 10, 1) != sample(paths, 10, 2)
    assert sample(paths, "all", 1) == paths


def test_a_listing_is_read_whole() -> None:
    assert parse_listing(f"{path(0)}\n{path(1)}\n", "warc", "here") == [path(0), path(1)]


def test_the_recipe_reads_its_snapshot(site: Site, tmp_path: Path) -> None:
    """All of recipes/commoncrawl.toml is checked, and its first step runs against a server on this machine."""
    host = [f'crawl.common_crawl.host="{site.url}"', "crawl.common_crawl.http.delay=0", "executor.workers=1"]
    recipe = recipes.load(recipes.find("commoncrawl"), host, pipeline.settings_of)
    assert [step.name for step in recipe.steps] == ["crawl", "corpus", "tokens", "pretrain"]
    *_, crawled = pipeline.run_recipe(recipe, tmp_path / "run", to="crawl")
    assert crawled.artifact.facts["kept"] == FILES * 20
    assert json.loads((crawled.artifact.path / "manifest.json").read_text())["licences"]
