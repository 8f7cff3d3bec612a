"""The own-site crawler over a real server: it obeys, keeps its pace, survives traps, and a kill loses nothing saved."""

from __future__ import annotations

import gzip
import io
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import hostile_server as hostile
import psutil  # type: ignore[import-untyped]
import pyarrow.parquet as pq
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hostile_server import Behaviour, Handler, Site, answer, damaged, say, serve, serving
from hypothesis import given
from hypothesis import strategies as st
from scrapy.http import Response

from tumbler.artifact import Artifact, begin, finish
from tumbler.crawl.stage import CrawlSettings, run
from tumbler.crawl.website import Website, cleaned, host_of, trap
from tumbler.crawl.website_frontier_client import Frontier
from tumbler.crawl.website_links import entries_of, links_of
from tumbler.crawl.website_robots import LONGEST_DELAY, robots_of
from tumbler.crawl.website_warc_writer import Exchange, WarcWriter, unpacked
from tumbler.errors import Failure, UserError
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.recipe import toml_value, validate

HTML = {"Content_Type": "text/html; charset=utf-8"}
ROBOTS = """User-agent: *
Disallow: /

User-agent: tumbler
Disallow: /private/
Disallow: /*.cgi
Disallow: /search?*q=
Disallow: /exactly$
Allow: /private/open/
Sitemap: {url}/maps.xml
"""
FORBIDDEN = ("/private/secret", "/run.cgi", "/search?a=1&q=2", "/exactly")


class Library(Handler):
    """`site.size` pages in a tree, each with links to what is forbidden, and a door to each kind of trap."""

    size = 0
    doors: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()

    def usual(self) -> Behaviour:
        path = urlsplit(self.path).path
        name = path.strip("/").partition("/")[0]
        made = getattr(self, f"at_{name}", None)
        return made(self.path) if made else serve

    def at_(self, path: str) -> Behaviour:
        return page("home", "/page/0", *self.doors)

    def at_page(self, path: str) -> Behaviour:
        number = int(urlsplit(path).path.rpartition("/")[2])
        children = [f"/page/{child}?PHPSESSID={time.monotonic_ns():032x}" for child in (2 * number + 1, 2 * number + 2)]
        links = [child for child in children if int(child.partition("?")[0].rpartition("/")[2]) < self.size]
        outside = f"http://localhost:{urlsplit(self.site.url).port}/outside"
        return page(f"page {number}", *links, *self.forbidden, outside, "mailto:a@b.org", "javascript:x()", "#x")

    def at_private(self, path: str) -> Behaviour:
        return page(path)

    def at_calendar(self, path: str) -> Behaviour:
        month = int(parse_qs(urlsplit(path).query).get("month", ["0"])[0])
        return page(f"month {month}", f"/calendar?month={month + 1}", f"/calendar?month={month - 1}")

    def at_grow(self, path: str) -> Behaviour:
        return page(f"grown {len(path)}", f"{path}{'&' if '?' in path else '?'}more=yes")

    def at_deep(self, path: str) -> Behaviour:
        return page("the same everywhere", "a/", "b/")

    def at_years(self, path: str) -> Behaviour:
        return page(f"all new {path}", f"{path}/{len(path)}")

    def at_chain(self, path: str) -> Behaviour:
        return answer(302, Location=f"{path}x")

    def at_loop(self, path: str) -> Behaviour:
        return answer(301, Location="/loop/b" if path == "/loop/a" else "/loop/a")


class Madhouse(Library):
    """Answers of which each is another damaged one."""

    def at_(self, path: str) -> Behaviour:
        return page("home", *(f"/mad/{number}" for number in range(self.size)))

    def at_mad(self, path: str) -> Behaviour:
        return partial(say, damaged(random.Random(path)))


def page(text: str, *links: str) -> Behaviour:
    doors = "".join(f'<a href="{link}">x</a> ' for link in links)
    return answer(200, f"<html><body><p>{text}</p>{doors}</body></html>".encode(), **HTML)


TRAPS = ("/calendar", "/grow", "/deep/", "/years/1", "/chain/x", "/loop/a", "/self")
TROUBLES: dict[str, list[Behaviour]] = {
    "/photo.html": [partial(hostile.endless, Content_Type="image/png")],
    "/endless": [partial(hostile.endless, Content_Type="text/html")],
    "/busy": [answer(503, Retry_After=0), page("not busy now")],
    "/silent": [hostile.silence],
    "/gone": [hostile.hang_up] * 2,
    "/garbage": [hostile.garbage] * 2,
    "/bomb": [answer(200, gzip.compress(bytes(40 << 20)), Content_Encoding="gzip", **HTML)],
    "/broken": [answer(200, b"\x1f\x8b\x08 broken", Content_Encoding="gzip", **HTML)],
    "/packed": [answer(200, gzip.compress(b"<p>unpacked</p><a href=/behind>x</a>"), Content_Encoding="gzip", **HTML)],
    "/away": [answer(302, Location="http://localhost:1/")],
    "/nowhere": [answer(302, Location="http://[")],
    "/foreign": [partial(say, b"HTT\x9c/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")],
    "/nested": [answer(200, b"<div>" * 100_000, **HTML)],
    "/nul": [answer(200, b"\0\xff<a href='\xff\0'>" * 9, **HTML)],
}


def library(size: int, doors: tuple[str, ...] = (), forbidden: tuple[str, ...] = ()) -> type[Handler]:
    return type("Sized", (Library,), {"size": size, "doors": doors, "forbidden": forbidden})


def prepared(site: Site) -> Site:
    """robots.txt, an index of sitemaps with a loop, and a sitemap of pages that nothing links to."""
    site.files["/robots.txt"] = ROBOTS.format(url=site.url).encode()
    site.files["/noise.xml"] = b"\0\1 no map"
    site.files["/odd.xml"] = b"<urlset><url><loc>http://[</loc></url></urlset>"
    names = ("/maps.xml", "/map.xml.gz", "/gone.xml", "/noise.xml", "/odd.xml", "")
    maps = "".join(f"<sitemap><loc>{site.url}{name}</loc></sitemap>" for name in names)
    site.files["/maps.xml"] = f"<sitemapindex>{maps}</sitemapindex>".encode()
    pages = "".join(f"<url><loc>{site.url}/private/open/{number}</loc></url>" for number in range(5))
    site.files["/map.xml.gz"] = gzip.compress(f"<urlset>{pages}<url><loc>:</loc></url></urlset>".encode())
    return site


def settings(*sites: Site, **more: object) -> dict[str, object]:
    quick = {"delay": 0.002, "timeout": 4.0, "tries": 2, "max_queries": 5}
    return {"start": [f"{site.url}/" for site in sites], "contact": "me@example.org", **quick, **more}


def crawl(out: Path, *sites: Site, **more: object) -> Artifact:
    table = {"website": settings(*sites, **more), "max_page_bytes": 4 << 20}
    checked = validate(CrawlSettings, table, "crawl")
    with Executor(1) as executor:
        work = begin(out, "crawl", "crawl", checked, [], executor, Log("crawl"))
        return finish(work, run(checked, work), 0.0)


def urls(artifact: Artifact, site: Site) -> list[str]:
    """The paths of the site's pages."""
    found = pq.read_table(artifact.path / "pages").column("url").to_pylist()
    return sorted(url.removeprefix(site.url) for url in found if url.startswith(f"{site.url}/"))


def pages(size: int) -> list[str]:
    return sorted(["/", *(f"/page/{number}" for number in range(size))])


def keeps_pace(site: Site, delay: float) -> bool:
    """Whether no stretch of requests came faster than one in `delay` seconds, but for a tenth of a second of jitter."""
    times = [item.time for item in site.asked]
    stretches = ((number, times[number] - times[0]) for number in range(len(times)))
    return len(times) > 5 and all(seconds >= number * delay - 0.1 for number, seconds in stretches)


def trapped() -> Site:
    site = Site(headers=HTML, trouble={path: list(troubles) for path, troubles in TROUBLES.items()})
    site.trouble["/self"] = [answer(301, Location="/self?sid=0123456789abcdef")]
    return site


def check_library(site: Site, artifact: Artifact, size: int) -> None:
    asked = Counter(site.paths())
    assert not asked.keys() & set(FORBIDDEN)
    assert "/outside" not in asked
    assert not any(item.headers["Host"].startswith("localhost") for item in site.asked)
    assert {item.headers["User-Agent"].partition("/")[0] for item in site.asked} == {"tumbler"}
    assert all("(+me@example.org)" in item.headers["User-Agent"] for item in site.asked)
    for number in range(size):
        assert asked[f"/page/{number}"] == 1, "each page once, whatever session its links carry"
    found = urls(artifact, site)
    assert set(pages(size)) <= set(found)
    assert [path for path in found if path.startswith("/private/")] == [f"/private/open/{n}" for n in range(5)]
    assert not set(found) & {"/robots.txt", "/maps.xml"}


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Artifact, dict[str, Site]]]:
    """One crawl over servers of several tempers."""
    sites = {
        "trapped": trapped(),
        "slow": Site({"/robots.txt": b"User-agent: *\nCrawl-delay: 0.15\n"}),
        "busy": Site(trouble={"/page/1": [answer(429, Retry_After=1)]}),
        "broken": Site(trouble={"/robots.txt": [answer(500)] * 9}),
        "absent": Site(trouble={"/robots.txt": [hostile.hang_up] * 9}),
        "mad": Site(),
        "closed": Site({"/robots.txt": b"User-agent: *\nDisallow: /"}),
    }
    with ExitStack() as stack:
        stack.enter_context(serving(sites["trapped"], library(120, (*TRAPS, *TROUBLES), FORBIDDEN)))
        stack.enter_context(serving(sites["mad"], type("Sized", (Madhouse,), {"size": 50})))
        stack.enter_context(serving(sites["busy"], library(40)))
        for temper in ("slow", "broken", "absent", "closed"):
            stack.enter_context(serving(sites[temper], library(7)))
        prepared(sites["trapped"])
        folder = tmp_path_factory.mktemp("site") / "out"
        yield crawl(folder, *sites.values(), max_depth=12, connections=6), sites


Crawled = tuple[Artifact, dict[str, Site]]


def test_a_site_is_read_whole_and_nothing_forbidden_is_asked_for(crawled: Crawled) -> None:
    found, sites = crawled
    check_library(sites["trapped"], found, 120)
    dropped = found.facts["dropped"].values()
    assert sum(dropped) + found.facts["kept"] == found.facts["read"]
    assert (found.path / "views/website.json").exists()
    assert not (found.path / "resume").exists()


def test_traps_end(crawled: Crawled) -> None:
    asked = Counter(crawled[1]["trapped"].paths())
    doors = Counter(path.lstrip("/").partition("/")[0].partition("?")[0] for path in asked)
    assert (doors["calendar"], doors["grow"]) == (6, 6), "the page and 5 queries"
    assert doors["deep"] <= 3, "links of a page that was seen before are not followed"
    assert doors["years"] == 12, "max_depth"
    assert doors["chain"] == 11, "10 redirects"
    assert asked["/loop/a"] == asked["/loop/b"] == asked["/self"] == 1


def test_what_is_no_page_is_no_page(crawled: Crawled) -> None:
    found, sites = crawled
    got = set(urls(found, sites["trapped"]))
    assert {"/busy", "/packed", "/nested", "/nul"} <= got
    assert not got & {"/photo.html", "/endless", "/bomb", "/broken", "/garbage"}
    assert sites["trapped"].paths().count("/behind") == 1, "a link in a packed page"
    tally = found.facts["website"]
    assert tally["page: too large"] == 1, "the endless page, not the picture, of which no byte was read"
    assert tally["page: content encoding broken or too large"] >= 2


def test_damaged_answers_end_no_crawl(crawled: Crawled) -> None:
    assert {f"/mad/{number}" for number in range(50)} <= set(crawled[1]["mad"].paths())


def test_crawl_delay_goes_before_our_own(crawled: Crawled) -> None:
    found, sites = crawled
    assert keeps_pace(sites["slow"], 0.15)
    assert urls(found, sites["slow"]) == pages(7)


def test_a_busy_host_is_left_in_peace(crawled: Crawled) -> None:
    found, sites = crawled
    asked = sites["busy"].asked
    (first, *_, second) = (item.time for item in asked if item.path == "/page/1")
    assert second - first >= 0.95
    between = [item for item in asked if first < item.time < second]
    assert len(between) <= 5, "nothing else is asked for either, but what was under way"
    assert urls(found, sites["busy"]) == pages(40)


@pytest.mark.parametrize("temper", ["broken", "absent", "closed"])
def test_without_a_permission_nothing_is_asked_for(crawled: Crawled, temper: str) -> None:
    assert set(crawled[1][temper].paths()) == {"/robots.txt"}


@pytest.mark.slow
def test_two_thousand_pages(tmp_path: Path) -> None:
    site, begun = trapped(), time.monotonic()
    with serving(site, library(2000, (*TRAPS, *TROUBLES), FORBIDDEN)):
        found = crawl(tmp_path / "out", prepared(site), delay=0.02, max_pages=10_000)
    check_library(site, found, 2000)
    assert keeps_pace(site, 0.02)
    print(f"{len(site.asked)} requests in {time.monotonic() - begun:.0f} s")


def test_our_own_delay_and_the_most_pages_hold_for_all_connections(tmp_path: Path) -> None:
    site = Site()
    with serving(site, library(60)):
        found = crawl(tmp_path / "out", site, delay=0.05, connections=4, max_pages=10)
    assert keeps_pace(site, 0.05)
    assert len([path for path in site.paths() if path not in ("/robots.txt", "/sitemap.xml")]) == 10
    assert found.facts["website"]["link: left waiting"] > 0


def test_a_site_that_was_down_is_an_error_and_asked_anew_by_the_next_run(tmp_path: Path) -> None:
    site = Site(trouble={"/robots.txt": [answer(500)]})
    with serving(site, library(2)):
        with pytest.raises(UserError, match=r"no page could be read \(page: robots\.txt cannot be read 1\); mend"):
            crawl(tmp_path / "out", site, tries=1)
        assert urls(crawl(tmp_path / "out", site, tries=1), site) == pages(2)


def test_a_killed_crawl_goes_on_and_asks_for_nothing_saved_again(tmp_path: Path) -> None:
    site = Site()
    with serving(site, library(60)):
        table = toml_value(settings(site, delay=0.03))
        command = [sys.executable, "-m", "tumbler", "crawl", "--out", str(tmp_path / "out"), "--workers", "1"]
        command += ["--set", f"website={table}"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        while len(site.asked) < 45 and process.poll() is None:
            time.sleep(0.005)
        crawlers = psutil.Process(process.pid).children(recursive=True)
        killed = time.monotonic()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = {item.path: item.time for item in site.asked}
        assert psutil.wait_procs(crawlers, timeout=5)[1] == [], "no crawler is left alone"
        assert len(site.asked) < 60
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    again = {path for path, times in Counter(site.paths()).items() if times > 1 and path in before}
    unsaved = {path for path, moment in before.items() if moment > killed - 0.25 - 0.3}
    assert again - {"/robots.txt"} <= unsaved, "the file of rules is read by each run"
    assert len(unsaved) < 30
    assert urls(Artifact(tmp_path / "out", "", "", {}), site) == pages(60)


def test_a_crawler_that_is_killed_alone_is_a_failure_and_leaves_its_work(tmp_path: Path) -> None:
    site = Site()

    def kill(handler: Handler, body: bytes) -> None:
        for child in psutil.Process().children(recursive=True):
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()
        handler.hang_up()

    site.trouble["/page/9"] = [kill]
    with serving(site, library(12)):
        with pytest.raises(Failure, match="the crawler died"):
            crawl(tmp_path / "out", site)
        assert urls(crawl(tmp_path / "out", site), site) == pages(12)


def exchange(number: int, body: bytes = b"<p>hello</p>", **more: object) -> Exchange:
    date = datetime(2024, 3, 1, tzinfo=UTC)
    headers = (("Content-Type", "text/html"), ("Content-Length", "99"), ("Transfer-Encoding", "chunked"))
    fields: dict[str, object] = {
        "url": f"http://a.org/{number}?q",
        "date": date,
        "request": (("User-Agent", "tumbler"),),
        "status": 200,
        "protocol": "HTTP/1.1",
        "headers": headers,
        "body": body,
        "address": "127.0.0.1",
        **more,
    }
    return Exchange(**fields)  # type: ignore[arg-type]


def test_answers_are_whole_warc_records(tmp_path: Path) -> None:
    writer = WarcWriter(tmp_path, {}, "operator: me\r\n")
    writer.write(exchange(1))
    writer.write(exchange(2, b"", status=999, truncated="unspecified", payload="text/plain"))
    writer.sync()
    data = (tmp_path / "00000.warc.gz").read_bytes()
    records = [record for record in ArchiveIterator(io.BytesIO(data)) if record.verify_payload_digest() or True]
    assert len(records) == 5
    for record in ArchiveIterator(io.BytesIO(data), record_types=WarcRecordType.response):
        assert record.verify_payload_digest()
    first = next(iter(ArchiveIterator(io.BytesIO(data), record_types=WarcRecordType.response)))
    assert first.http_headers.status_line == "HTTP/1.1 200 OK"
    assert dict(first.http_headers) == {"Content-Type": "text/html", "Content-Length": "12"}
    assert first.reader.read() == b"<p>hello</p>"
    request = next(iter(ArchiveIterator(io.BytesIO(data), record_types=WarcRecordType.request)))
    assert request.http_headers.status_line == "GET /1?q HTTP/1.1"
    assert request.headers["WARC-Concurrent-To"] == first.record_id or first.headers["WARC-Record-ID"]


def test_what_came_after_the_last_save_is_cut_off(tmp_path: Path) -> None:
    writer = WarcWriter(tmp_path, {}, "")
    writer.write(exchange(1))
    size = writer.sync()
    writer.write(exchange(2))
    writer.sync()
    writer.next_file()
    writer.write(exchange(3))
    writer.sync()
    again = WarcWriter(tmp_path, {"00000.warc.gz": size}, "")
    assert again.name == "00000.warc.gz"
    assert again.sync() == size == (tmp_path / "00000.warc.gz").stat().st_size


def test_only_whole_gzip_is_unpacked() -> None:
    packed = gzip.compress(b"x" * 1000)
    assert unpacked(packed, 1000) == b"x" * 1000
    assert unpacked(packed, 999) is None
    assert unpacked(packed[:-9], 1000) is None
    assert unpacked(b"plain", 1000) == b"plain"


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("HTTP://A.org:80", "http://a.org/"),
        ("https://a.org:443/x#part", "https://a.org/x"),
        ("http://u:p@a.org:8080/", "http://a.org:8080/"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("http://a.org/x;jsessionid=AB12?PHPSESSID=0123456789abcdef&q=1&utm_source=y", "http://a.org/x?q=1"),
        ("http://a.org/(S(abc123))/x?sid=12", "http://a.org/x?sid=12"),
        ("ftp://a.org/", None),
        ("mailto:a@b.org", None),
        ("/x", None),
        ("http://a.org:99999/", None),
        ("http://[/", None),
    ],
)
def test_addresses_have_one_spelling(url: str, clean: str | None) -> None:
    assert cleaned(url) == clean


@given(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60).map(lambda text: f"http://a.org/{text}")
)
def test_cleaning_twice_changes_nothing(url: str) -> None:
    once = cleaned(url)
    assert once is None or (cleaned(once) == once and host_of(once))


def test_traps_are_known_by_their_signs() -> None:
    assert trap("http://a.org/" + "x" * 2000) == "URL too long"
    assert trap("http://a.org" + "".join(f"/{n}" for n in range(21))) == "path too deep"
    assert trap("http://a.org/a/b/a/b/a/b/a") == "path repeats itself"
    assert trap("http://a.org/a/b/a/b/a/b/") is None


def test_robots_txt_is_read_as_its_standard_says() -> None:
    rules = robots_of(200, ROBOTS.format(url="").encode())
    assert not any(rules.allows(f"http://a.org{path}") for path in FORBIDDEN)
    assert all(rules.allows(f"http://a.org{path}") for path in ("/", "/private/open/1", "/search?z", "/exactly/this"))
    assert robots_of(404, b"User-agent: *\nDisallow: /").allows("http://a.org/"), "no file, no rules"
    assert not robots_of(503, b"").allows("http://a.org/")
    assert not robots_of(None, b"").allows("http://a.org/")
    assert robots_of(200, b"User-agent: *\nCrawl-delay: 7\nRequest-rate: 1/3s").delay == 7
    assert robots_of(200, b"User-agent: tumbler\nRequest-rate: 2/60s").delay == 30
    for odd in (b"inf", b"1e999", b"-5", b"nan", b"\xff"):
        assert 0 <= robots_of(200, b"User-agent: *\nCrawl-delay: " + odd).delay <= LONGEST_DELAY
    assert not robots_of(200, b"User-agent: *\nDisallow: /x\n" + b"#" * (600 << 10)).allows("http://a.org/x")


@given(st.binary(max_size=200))
def test_any_robots_txt_is_survived(body: bytes) -> None:
    robots_of(200, body).allows("http://a.org/x?y=z")


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3)), max_size=12), st.integers(1, 6))
def test_the_frontier_gives_each_address_once_and_breadth_first(added: list[tuple[str, int]], limit: int) -> None:
    site = Website(start=("http://a.org/",), contact="a@b.org", max_pages=limit)
    frontier = Frontier(Path(":memory:"), site)
    for name, depth in added:
        frontier.add(f"http://a.org/{name}", "page", depth)
    given = []
    while (address := frontier.take(0.0)) is not None:
        frontier.close(address, "read")
        given.append((address.depth, address.url))
    assert len(given) == min(limit, len({name for name, _ in added}))
    assert given == sorted(given, key=lambda item: item[0])
    assert len({url for _, url in given}) == len(given)
    assert not frontier.open


TAGS = (
    *("<urlset>", "<url>", "<loc>", "http://a.org/", "http://[", "</loc>", "</url>", "<a href='", "'>", "<base href='"),
    *("<meta charset=idna>", "<?xml version='1.0' encoding='utf-9'?>", "\0", "&b;", "<!DOCTYPE a [<!ENTITY b 'c'>]>"),
)
MARKUP = st.lists(st.sampled_from(TAGS).map(str.encode) | st.binary(max_size=5), max_size=12).map(b"".join)


@given(MARKUP, st.sampled_from(["text/html", "text/html; charset=base64", "text/html; charset=idna", ""]))
def test_any_markup_is_survived(body: bytes, content_type: str) -> None:
    entries_of("http://a.org/map.xml", body)
    links_of(Response("http://a.org/", headers={"Content-Type": content_type}), body)


def test_a_missing_contact_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"'website\.contact' is missing"):
        validate(CrawlSettings, {"website": {"start": ["http://a.org"]}}, "crawl")
    with pytest.raises(UserError, match="contact"):
        validate(CrawlSettings, {"website": {"start": ["http://a.org"], "contact": "me\r\nX-Evil: 1@b.org"}}, "crawl")
