"""The HTTP client against a real server that cuts, lies, stalls and hides: the file is whole or the error is clear."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from functools import partial
from itertools import pairwise
from pathlib import Path

import hostile_server as hostile
import pytest
from hostile_server import Behaviour, Site, answer, cut, serve, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.crawl.gate_client import Gate
from tumbler.crawl.http_client import HTTP, Client, NotThere, retry_after
from tumbler.crawl.partial_writer import Partial, Version
from tumbler.errors import Failure, UserError

BODY = bytes(range(256)) * 40
QUICK = HTTP(delay=0, backoff=0.001, timeout=0.3, tries=4)
PATH = "/file.gz"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site({PATH: BODY})) as running:
        yield running


def fetch(site: Site, folder: Path, *trouble: Behaviour, http: HTTP = QUICK, max_bytes: int = 1 << 20) -> bytes:
    site.trouble[PATH] = list(trouble)
    Client(http, folder / "gate").download(site.url + PATH, folder / "file.gz", max_bytes)
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["file.gz"], "nothing else is left"
    return (folder / "file.gz").read_bytes()


TROUBLES: dict[str, list[Behaviour]] = {
    "none": [],
    "cut after a part": [cut(5000), cut(2000)],
    "cut before the first byte": [cut(0)],
    "hung up on": [hostile.hang_up],
    "not HTTP": [hostile.garbage],
    "silence": [hostile.silence],
    "a drip": [hostile.drip],
    "busy": [answer(503), answer(429), answer(502)],
    "busy with a time": [answer(503, Retry_After=0), answer(429, Retry_After=formatdate(usegmt=True))],
    "range ignored": [cut(5000), hostile.ignore_range],
    "another range": [cut(5000), hostile.wrong_range],
    "a range of other bytes": [cut(5000), hostile.lying_range],
    "a range of a newer file": [cut(5000), hostile.newer_range],
    "a range that is too short": [cut(5000), hostile.short_range],
    "a range that is too long": [cut(5000), hostile.long_range],
    "a range unasked for": [hostile.wrong_range],
    "range refused": [cut(5000), answer(416)],
    "chunked": [hostile.chunked],
    "cut inside a chunk": [hostile.cut_chunk],
    "no length and cut": [hostile.untold_length],
    "two lengths": [answer(200, BODY, Content_Length="12, 13")],
    "a length of 5,000 digits": [answer(200, BODY, Content_Length="9" * 5000)],
    "a redirect to nowhere": [answer(302, Location="http://["), answer(302, Location="ftp://a.org/")],
    "an endless redirect": [partial(hostile.endless, status=302, Location="/file.gz")],
    "an error page": [answer(500, b"<h1>sorry</h1>")],
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_the_file_is_whole_whatever_the_server_does(site: Site, tmp_path: Path, trouble: list[Behaviour]) -> None:
    assert fetch(site, tmp_path, *trouble) == BODY
    assert len(site.asked) <= 1 + len(trouble), "no more tries than troubles"


def test_a_broken_fetch_goes_on_from_the_bytes_on_disk(site: Site, tmp_path: Path) -> None:
    assert fetch(site, tmp_path, cut(5000)) == BODY
    assert site.asked[1].headers["Range"] == f"bytes={5000 - 1024}-", "the last KiB again, to see that it is the same"
    assert site.asked[1].headers["If-Range"]


def test_a_later_run_goes_on_too_and_a_finished_file_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"/file\.gz: given up after 1 tries .*goes on from the 5,000 bytes on disk"):
        fetch(site, tmp_path, cut(5000), http=QUICK.model_copy(update={"tries": 1}))
    assert fetch(site, tmp_path) == BODY
    assert "Range" in site.asked[1].headers
    assert fetch(site, tmp_path) == BODY
    assert len(site.asked) == 2


def test_a_run_killed_before_the_last_stroke_asks_for_nothing(site: Site, tmp_path: Path) -> None:
    arrived = Partial(tmp_path / "file.gz")
    arrived.begin(Version(None, len(BODY)))
    arrived.append([BODY], 0, 1 << 20)
    assert fetch(site, tmp_path) == BODY
    assert not site.asked


@pytest.mark.parametrize("tagged", [True, False], ids=["by its tag", "by its bytes"])
def test_a_file_that_changed_meanwhile_is_begun_anew(site: Site, tmp_path: Path, tagged: bool) -> None:
    def change(handler: hostile.Handler, body: bytes) -> None:
        site.files[PATH] = BODY[::-1]
        cut(5000)(handler, body)

    site.etags[PATH] = '"same for all"'
    if tagged:
        site.etags.clear()
    assert fetch(site, tmp_path, change) == BODY[::-1]


def test_a_file_that_never_comes_whole_is_a_failure_that_names_it(site: Site, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=rf"{site.url}{PATH}: given up after 4 tries \(503 Service Unavailable\)"):
        fetch(site, tmp_path, *[answer(503)] * 9)
    assert len(site.asked) == 4


def test_a_server_that_gives_a_byte_each_time_does_not_win(site: Site, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="given up after 4 tries"):
        fetch(site, tmp_path, *[cut(1025)] * 9)


def test_large_pieces_are_progress_not_failures(site: Site, tmp_path: Path) -> None:
    site.files[PATH] = BODY * 700
    assert fetch(site, tmp_path, *[cut(1_200_000)] * 5, max_bytes=8 << 20) == BODY * 700


def test_an_endless_body_ends_at_the_limit(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="longer than 1,048,576 bytes"):
        fetch(site, tmp_path, hostile.endless)
    assert not list(tmp_path.glob("*.part"))


def test_a_file_that_says_it_is_too_long_is_not_read(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="longer than 1,048,576 bytes"):
        fetch(site, tmp_path, answer(200, Content_Length=10**12))


def test_refusals_are_not_repeated(site: Site, tmp_path: Path) -> None:
    with pytest.raises(NotThere, match=r"file\.gz: the server knows no such file \(404 Not Found\)"):
        fetch(site, tmp_path, answer(404))
    with pytest.raises(UserError, match=r"refused \(403 Forbidden\)"):
        fetch(site, tmp_path, answer(403))
    assert len(site.asked) == 2


def test_damaged_answers_end_as_errors_that_a_terminal_can_show(site: Site, tmp_path: Path) -> None:
    for seed in range(40):
        try:
            fetch(site, tmp_path, *[partial(hostile.say, hostile.damaged(random.Random(seed)))] * 2)
        except (Failure, UserError) as error:
            assert str(error).isprintable()
        for path in tmp_path.glob("file.gz*"):
            path.unlink()


def test_redirects_are_followed_and_loops_end(site: Site, tmp_path: Path) -> None:
    site.trouble["/there"] = [answer(302, Location="file.gz")]
    assert fetch(site, tmp_path, answer(301, Location="/there")) == BODY
    assert site.paths() == [PATH, "/there", PATH]
    (tmp_path / "file.gz").unlink()
    with pytest.raises(Failure, match="more than 5 redirects"):
        fetch(site, tmp_path, *[answer(302, Location=PATH)] * 99)


def test_a_busy_server_gets_the_time_it_asks_for(site: Site, tmp_path: Path) -> None:
    assert fetch(site, tmp_path, answer(503, Retry_After=1)) == BODY
    assert site.asked[1].time - site.asked[0].time >= 1.0
    with pytest.raises(Failure, match="asks to come back in 86,400 s"):
        (tmp_path / "file.gz").unlink()
        fetch(site, tmp_path, answer(429, Retry_After=86400))


def test_two_that_want_the_same_file_fetch_it_once(site: Site, tmp_path: Path) -> None:
    site.trouble[PATH] = [slowly]
    client = Client(QUICK, tmp_path / "gate")
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: client.download(site.url + PATH, tmp_path / "file.gz", 1 << 20), range(2)))
    assert (tmp_path / "file.gz").read_bytes() == BODY
    assert len(site.asked) == 1


def _download(number: int, url: str, folder: Path, http: HTTP) -> None:
    Client(http, folder / "gate").download(f"{url}/{number}", folder / str(number), 1 << 20)


def slowly(handler: hostile.Handler, body: bytes) -> None:
    time.sleep(0.1)
    serve(handler, body)


def test_all_workers_together_keep_the_limits(site: Site, tmp_path: Path) -> None:
    site.files = {f"/{number}": BODY for number in range(10)}
    site.trouble = {f"/{number}": [slowly] for number in range(5)}
    single = QUICK.model_copy(update={"connections": 1, "timeout": 5.0})
    paced = QUICK.model_copy(update={"delay": 0.12, "timeout": 5.0})
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(partial(_download, url=site.url, folder=tmp_path, http=single), range(5))
        assert site.busiest == 1
        pool.map(partial(_download, url=site.url, folder=tmp_path, http=paced), range(5, 10))
    gaps = [later - earlier for earlier, later in pairwise(item.time for item in site.asked[5:])]
    assert len(gaps) == 4
    assert min(gaps) > 0.09, "a request may be a little late, and the next is then a little early"


def test_a_pause_holds_for_all(tmp_path: Path) -> None:
    def started(_: int) -> float:
        Gate(tmp_path, 1, 0.0).turn()
        return time.monotonic()

    begun = time.monotonic()
    Gate(tmp_path, 1, 0.0).pause(0.2)
    with ThreadPoolExecutor(3) as threads:
        assert min(threads.map(started, range(3))) - begun >= 0.2


def test_a_gate_survives_what_a_power_cut_leaves(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("")
    begun = time.monotonic()
    Gate(tmp_path, 1, 5.0).turn()
    assert time.monotonic() - begun < 1


@settings(max_examples=50)
@given(st.one_of(st.text(max_size=40), st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ \w*")))
def test_retry_after_reads_anything(header: str) -> None:
    assert (retry_after(header) or 0.0) >= 0.0


def test_retry_after_reads_numbers_and_dates() -> None:
    assert retry_after("7") == 7.0
    assert retry_after(formatdate(time.time() + 100, usegmt=True)) == pytest.approx(100, abs=2)
    assert retry_after(formatdate(0, usegmt=True)) == 0.0
    assert retry_after(None) is None
    assert retry_after("soon") is None
