"""XML from strangers as a stream of events: no entity is defined or fetched, and depth and tokens have limits.

On the standard library's expat. Building a tree (also by `iterparse`, also when elements are cleared) keeps a trace
of every element of a dump in memory; events keep nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, NamedTuple
from xml.parsers import expat

CHUNK_BYTES: Final = 1 << 16
MAX_TOKEN_BYTES: Final = 1 << 20
"""expat holds an unfinished tag or comment in memory; none in a real dump or book is near this long."""
MAX_DEPTH: Final = 100


class XmlError(ValueError):
    """Not well-formed, cut off, or made to exhaust the reader."""


class Start(NamedTuple):
    """An element begins. Names are without their namespace."""

    name: str
    attributes: Mapping[str, str]


class End(NamedTuple):
    """An element ends; `text` is what stood directly in it, cut after `max_text + 1` characters."""

    name: str
    text: str


def events(file: BinaryIO, max_text: int) -> Iterator[Start | End]:
    """The elements of a document in their order; XmlError where it stops being readable."""
    handler = _Handler(max_text)
    parser = handler.parser
    fed = 0
    finished = False
    while not finished:
        chunk = file.read(CHUNK_BYTES)
        fed, finished = fed + len(chunk), not chunk
        try:
            parser.Parse(chunk, finished)
            failure = "a token is too long" if fed - parser.CurrentByteIndex > MAX_TOKEN_BYTES else ""
        except (expat.ExpatError, LookupError, ValueError) as error:  # the latter two: encodings that Python lacks
            failure = str(error)
        yield from handler.events
        handler.events.clear()
        if failure:
            raise XmlError(failure)


class _Handler:
    def __init__(self, max_text: int) -> None:
        self.events: list[Start | End] = []
        self._max_text = max_text
        self._texts: list[list[str]] = []
        self._sizes: list[int] = []
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text, self.parser.buffer_size = True, CHUNK_BYTES
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.EntityDeclHandler = self._entity

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._texts) == MAX_DEPTH:
            raise XmlError("elements are nested too deep")
        self._texts.append([])
        self._sizes.append(0)
        self.events.append(Start(_local(name), {_local(key): value for key, value in attributes.items()}))

    def _end(self, name: str) -> None:
        self._sizes.pop()
        self.events.append(End(_local(name), "".join(self._texts.pop())[: self._max_text + 1]))

    def _data(self, data: str) -> None:
        if self._texts and self._sizes[-1] <= self._max_text:
            self._texts[-1].append(data)
            self._sizes[-1] += len(data)

    def _entity(self, *_: object) -> None:
        raise XmlError("an entity is declared")


def _local(name: str) -> str:
    return name.rpartition("}")[2]
