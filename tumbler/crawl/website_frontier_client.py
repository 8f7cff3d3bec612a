"""Frontier: which addresses of a site are known, fetched and waiting; in SQLite, so that a kill leaves it whole.

Scrapy's own (JOBDIR) notes the state of its queues when it is closed, so a kill loses what was in them.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tumbler.crawl.website import Website, cleaned, host_of, hosts_of, trap

Kind = Literal["page", "sitemap"]
MOST_KNOWN: Final = 2_000_000
"""Addresses; bounds the disk that a site of endless links can fill."""
MOST_SITEMAPS: Final = 200
MOST_HOPS: Final = 10
"""Redirects in a row."""
LOCK_SECONDS: Final = 30
"""How long to wait for a crawler that was left alone and is about to notice it."""
TABLES: Final = """
CREATE TABLE IF NOT EXISTS address (
    id INTEGER PRIMARY KEY, url TEXT UNIQUE NOT NULL, kind TEXT NOT NULL, depth INTEGER NOT NULL,
    hops INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting');
CREATE INDEX IF NOT EXISTS next_address ON address (state, depth, id);
CREATE TABLE IF NOT EXISTS queries (path TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS body (digest BLOB PRIMARY KEY);
CREATE TABLE IF NOT EXISTS tally (what TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS warc (file TEXT PRIMARY KEY, bytes INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Address:
    id: int
    url: str
    kind: Kind
    depth: int
    """Links from a start page."""
    hops: int
    """Redirects that led here, in a row."""
    tries: int
    """Tries before this one."""


class Frontier:
    """Addresses come out breadth first: a trap, which is deep, cannot keep the crawler from the rest of the site."""

    def __init__(self, path: Path, site: Website) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._site = site
        self._hosts = hosts_of(site)
        self._db = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level="IMMEDIATE")
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(TABLES)
        self._db.execute("UPDATE address SET state = 'waiting' WHERE state = 'taken'")
        self._known = self._one("SELECT count(*) FROM address")
        self._pages = self._one("SELECT count(*) FROM address WHERE state = 'done' AND kind = 'page'")
        self._taken = 0
        self.save()

    def add(self, url: str, kind: Kind, depth: int, hops: int = 0) -> None:
        """Note an address for later, unless it is known or there is a reason not to (which is counted)."""
        clean = cleaned(url)
        reason = "not a web address" if clean is None else self._refusal(clean, kind, depth, hops)
        if clean is None or reason is not None:
            self.count(f"link: {reason}")
            return
        values = (clean, kind, depth, hops)
        sql = "INSERT OR IGNORE INTO address (url, kind, depth, hops) VALUES (?, ?, ?, ?)"
        if self._db.execute(sql, values).rowcount:
            self._known += 1
            if "?" in clean:
                self._bump("queries", "path", clean.partition("?")[0])

    def _refusal(self, url: str, kind: Kind, depth: int, hops: int) -> str | None:
        if host_of(url) not in self._hosts:
            return "other host"
        if depth > self._site.max_depth:
            return "too deep"
        if hops > MOST_HOPS:
            return "too many redirects"
        if self._known >= MOST_KNOWN:
            return "too many addresses"
        if kind == "sitemap" and self._one("SELECT count(*) FROM address WHERE kind = 'sitemap'") >= MOST_SITEMAPS:
            return "too many sitemaps"
        return trap(url) or self._too_many_queries(url)

    def _too_many_queries(self, url: str) -> str | None:
        path, mark, _ = url.partition("?")
        full = mark and self._one("SELECT count FROM queries WHERE path = ?", path) >= self._site.max_queries
        known = full and self._one("SELECT count(*) FROM address WHERE url = ?", url)
        return "too many queries" if full and not known else None

    def take(self, now: float) -> Address | None:
        """The next address that is due (`now`: seconds), to be closed or put back; None when there is none."""
        kinds = "('sitemap')" if self._pages >= self._site.max_pages else "('sitemap', 'page')"
        row = self._db.execute(
            "SELECT id, url, kind, depth, hops, tries FROM address "
            f"WHERE state = 'waiting' AND due <= ? AND kind IN {kinds} ORDER BY depth, id LIMIT 1",
            (now,),
        ).fetchone()
        if row is None:
            return None
        address = Address(*row)
        self._db.execute("UPDATE address SET state = 'taken', tries = tries + 1 WHERE id = ?", (address.id,))
        self._taken += 1
        self._pages += address.kind == "page"
        return address

    def close(self, address: Address, outcome: str) -> None:
        """Done with it, for good."""
        self._taken -= 1
        self._db.execute("UPDATE address SET state = 'done' WHERE id = ?", (address.id,))
        self.count(f"{address.kind}: {outcome}")

    def refuse(self, address: Address, reason: str) -> None:
        """Done with it, without a request."""
        self._taken -= 1
        self._pages -= address.kind == "page"
        self._db.execute("UPDATE address SET state = 'refused' WHERE id = ?", (address.id,))
        self.count(f"{address.kind}: {reason}")

    def put_back(self, address: Address, due: float) -> None:
        """To be tried again, not before `due`."""
        self._taken -= 1
        self._pages -= address.kind == "page"
        self._db.execute("UPDATE address SET state = 'waiting', due = ? WHERE id = ?", (due, address.id))

    @property
    def open(self) -> bool:
        """Whether something is under way or still to be fetched."""
        kinds = "('sitemap')" if self._pages >= self._site.max_pages else "('sitemap', 'page')"
        sql = f"SELECT EXISTS (SELECT 1 FROM address WHERE state = 'waiting' AND kind IN {kinds})"
        return self._taken > 0 or bool(self._one(sql))

    @property
    def pages(self) -> int:
        """Pages asked for so far."""
        return self._pages

    def is_new(self, host: str, body: bytes) -> bool:
        """Whether the host never gave this body before; it has now."""
        digest = hashlib.sha256(host.encode() + b"\0" + body).digest()
        return bool(self._db.execute("INSERT OR IGNORE INTO body VALUES (?)", (digest,)).rowcount)

    def count(self, what: str) -> None:
        self._bump("tally", "what", what)

    def tally(self) -> Mapping[str, int]:
        """How often each thing happened: "page: 200", "link: other host", ... and "link: left waiting"."""
        counts = dict(self._db.execute("SELECT what, count FROM tally ORDER BY what").fetchall())
        left = self._one("SELECT count(*) FROM address WHERE state = 'waiting'")
        return {**counts, "link: left waiting": left} if left else counts

    def written(self) -> dict[str, int]:
        """WARC files and their lengths in bytes at the last save."""
        return dict(self._db.execute("SELECT file, bytes FROM warc ORDER BY file").fetchall())

    def save(self, file: str | None = None, size: int = 0) -> None:
        """All that happened since the last save, at one stroke; the WARC `file` has `size` bytes now."""
        if file is not None:
            self._db.execute("INSERT OR REPLACE INTO warc VALUES (?, ?)", (file, size))
        self._db.commit()

    def _bump(self, table: str, key: str, value: str) -> None:
        sql = f"INSERT INTO {table} VALUES (?, 1) ON CONFLICT ({key}) DO UPDATE SET count = count + 1"
        self._db.execute(sql, (value,))

    def _one(self, sql: str, *values: object) -> int:
        row = self._db.execute(sql, values).fetchone()
        return int(row[0]) if row else 0
