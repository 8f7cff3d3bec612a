"""tumbler fetch ut1 against a local server: real lists arrive, and no archive writes where it should not."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_server import Site, answer, cut, serving

from tumbler.corpus.rules.blocklist_reader import read_blocklists
from tumbler.crawl import ut1_client
from tumbler.crawl.http_client import HTTP
from tumbler.crawl.ut1_client import fetch_ut1
from tumbler.errors import UserError

QUICK = HTTP(delay=0, backoff=0.001, timeout=1.0, tries=3)
Member = tuple[str, bytes | None, bytes]
"""(name, content, type)"""


def archive(*members: Member) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content or b"")
            info.linkname = "/etc/passwd" if content is None else ""
            tar.addfile(info, io.BytesIO(content or b""))
    return file.getvalue()


def plain(name: str, content: bytes) -> Member:
    return name, content, tarfile.REGTYPE


ADULT = archive(
    ("adult", b"", tarfile.DIRTYPE),
    plain("adult/domains", b"bad.com\nworse.org\n"),
    plain("adult/urls", b"good.org/bad\n"),
    plain("adult/usage", b"black\n"),
)


@pytest.fixture
def site() -> Iterator[Site]:
    everything = archive(
        plain("blacklists/adult/domains", b"bad.com\n"),
        ("blacklists/porn", None, tarfile.SYMTYPE),
        plain("blacklists/games/urls", b"play.org/x\n"),
    )
    with serving(Site({"/adult.tar.gz": ADULT, "/blacklists.tar.gz": everything})) as running:
        yield running


def fetch(site: Site, out: Path, *categories: str) -> dict[str, int]:
    return dict(fetch_ut1(out, categories, site.url, QUICK))


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_the_command_writes_lists_that_the_corpus_reads_and_their_licence(site: Site, tmp_path: Path) -> None:
    site.trouble["/adult.tar.gz"] = [cut(100)]
    command = [sys.executable, "-m", "tumbler", "fetch", "ut1", "--out", str(tmp_path / "ut1"), "--category", "adult"]
    done = subprocess.run([*command, "--from", site.url], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "ut1") == {"adult/domains", "adult/urls", "LICENCE.txt"}
    assert (tmp_path / "ut1/adult/domains").read_bytes() == b"bad.com\nworse.org\n"
    assert len(list(read_blocklists([str(tmp_path / "ut1")]))) == 3
    assert "CC BY-SA 4.0" in (tmp_path / "ut1/LICENCE.txt").read_text()
    assert f"--set corpus.blocklists='[\"{tmp_path / 'ut1'}\"]'" in done.stdout


def test_all_categories_come_in_one_archive_and_its_links_are_left_out(site: Site, tmp_path: Path) -> None:
    assert fetch(site, tmp_path, "all") == {"adult": 8, "games": 11}
    assert files(tmp_path) == {"adult/domains", "games/urls", "LICENCE.txt"}


def test_the_default_is_what_refinedweb_drops(site: Site, tmp_path: Path) -> None:
    site.files |= {f"/{name}.tar.gz": archive(plain(f"{name}/domains", b"x.org")) for name in ut1_client.CATEGORIES}
    assert set(fetch(site, tmp_path, *ut1_client.CATEGORIES)) == set(ut1_client.CATEGORIES)


TRICKS: dict[str, tuple[bytes, str]] = {
    "up and out": (archive(plain("../adult/domains", b"x")), r"holds '\.\./adult/domains', which leads out"),
    "up in the middle": (archive(plain("a/../../adult/domains", b"x")), "which leads out of its folder"),
    "absolute": (archive(plain("/tmp/adult/domains", b"x")), "which leads out of its folder"),
    "backslashes": (archive(plain("..\\adult/domains", b"x")), "which leads out of its folder"),
    "symbolic link": (archive(("adult/domains", None, tarfile.SYMTYPE)), "holds no list of 'adult'"),
    "hard link": (archive(("adult/domains", None, tarfile.LNKTYPE)), "holds no list of 'adult'"),
    "device": (archive(("adult/domains", b"", tarfile.CHRTYPE)), "holds no list of 'adult'"),
    "pipe": (archive(("adult/domains", b"", tarfile.FIFOTYPE)), "holds no list of 'adult'"),
    "folder": (archive(("adult/domains", b"", tarfile.DIRTYPE)), "holds no list of 'adult'"),
    "another category": (archive(plain("games/domains", b"x")), "holds no list of 'adult'"),
    "odd category": (archive(plain("Adult \n/domains", b"x")), "holds no list of 'adult'"),
    "cut": (ADULT[:150], "is no whole .tar.gz"),
    "cut inside the tar": (gzip.compress(gzip.decompress(ADULT)[:1030]), "is no whole .tar.gz"),
    "an error page": (b"<h1>sorry</h1>", "is no whole .tar.gz"),
    "not a tar": (gzip.compress(b"hello" * 1000), "is no whole .tar.gz"),
}


@pytest.mark.parametrize("trick", TRICKS, ids=TRICKS)
def test_tricks_write_nothing(site: Site, tmp_path: Path, trick: str) -> None:
    site.files["/adult.tar.gz"], error = TRICKS[trick]
    with pytest.raises(UserError, match=error):
        fetch(site, tmp_path / "here" / "out", "adult")
    assert {name for name in files(tmp_path) if "/.fetch/" not in name} == set()
    site.files["/adult.tar.gz"] = ADULT
    assert fetch(site, tmp_path / "here" / "out", "adult") == {"adult": 31}, "the bad archive is not kept"


def sparse() -> bytes:
    """A member of one block that says it is 1 TB of zeros."""
    info = tarfile.TarInfo("adult/domains")
    info.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[156:157] = tarfile.GNUTYPE_SPARSE
    block[386:398], block[398:410] = b"%011o\0" % 0, b"%011o\0" % 0
    block[483:495] = b"%011o\0" % (1 << 32)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return gzip.compress(bytes(block) + bytes(1024))


@pytest.mark.parametrize("kind", ["a file", "a file of no interest", "many members", "a sparse file"])
def test_bombs_end_at_the_limit(site: Site, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ut1_client, "MAX_UNPACKED", 1 << 20)
    site.files["/adult.tar.gz"] = {
        "a file": archive(plain("adult/domains", bytes(4 << 20))),
        "a file of no interest": archive(plain("README", bytes(4 << 20))),
        "many members": archive(*[plain("adult/other", b"")] * 4000),
        "a sparse file": sparse(),
    }[kind]
    error = "holds no list of" if kind == "a sparse file" else "unpacks to more than 1,048,576 bytes"
    with pytest.raises(UserError, match=error):
        fetch(site, tmp_path, "adult")
    assert "adult/domains" not in files(tmp_path)


def test_an_unknown_category_is_the_users_mistake(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"adlut\.tar\.gz: the server knows no such file"):
        fetch(site, tmp_path, "adlut")
    with pytest.raises(UserError, match=r"'\.\./x' is no category"):
        fetch(site, tmp_path, "../x")


def test_a_fetch_that_failed_halfway_leaves_what_is_whole_and_goes_on(site: Site, tmp_path: Path) -> None:
    site.files["/games.tar.gz"] = archive(plain("games/domains", b"x"))
    site.trouble["/games.tar.gz"] = [answer(403)]
    with pytest.raises(UserError, match="refused"):
        fetch(site, tmp_path, "adult", "games")
    assert "adult/domains" in files(tmp_path)
    assert fetch(site, tmp_path, "adult", "games") == {"adult": 31, "games": 1}
