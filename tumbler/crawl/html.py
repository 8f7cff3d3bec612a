"""Bytes of an HTTP answer -> HTML text: is it HTML at all, and in which character set is it written?

The character set is found as browsers do (WHATWG HTML, section 13.2.3: byte order mark, then the
declaration), with one difference that real crawls call for: bytes that are valid UTF-8 are read as
UTF-8 whatever the page declares, because wrong declarations are common and other encodings are
almost never valid UTF-8 by chance.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

HTML_TYPES: Final = ("text/html", "application/xhtml+xml")
UNTOLD_TYPES: Final = ("", "application/octet-stream", "binary/octet-stream", "unknown/unknown", "application/unknown")
"""Content types that say nothing, so that the bytes are looked at."""
SNIFFED_BYTES: Final = 1024
_HTML_START = re.compile(
    rb"^(?:\s|<!--.*?-->|<\?xml.*?\?>)*<(?:!doctype\s+html|html|head|body|script|iframe|title|meta|div|table|p|h1|br|a)"
    rb"[\s>/]",
    re.IGNORECASE | re.DOTALL,
)
_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""", re.IGNORECASE)
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def is_html(content_type: str | None, body: bytes) -> bool:
    """By the declared type; where there is none, by the first bytes (WHATWG MIME Sniffing, section 7.1)."""
    declared = (content_type or "").partition(";")[0].strip().lower()
    if declared in UNTOLD_TYPES:
        head = body[:SNIFFED_BYTES]
        return bool(_HTML_START.match(_without_mark(head).replace(b"\0", b"")))
    return declared in HTML_TYPES


def decode(body: bytes, declared: str | None) -> tuple[str, str]:
    """(text, name of the character set). `declared` is the charset of the HTTP header, if any. Never fails.

    What cannot be decoded becomes U+FFFD.
    """
    for mark, marked in _MARKS:
        if body.startswith(mark):
            return _lenient(body[len(mark) :], marked), marked
    candidates = [_known(declared), _known(_meta_charset(body))]
    if _may_be_utf8(body):
        candidates.insert(0, "utf-8")
    for name in candidates:
        if name is not None and (text := _strict(body, name)) is not None:
            return text, name
    guessed = _known(detect_encoding(body)) or "utf-8"
    return _lenient(body, guessed), guessed


def _may_be_utf8(body: bytes) -> bool:
    """Escape sequences (ISO-2022) and NULs (UTF-16) are valid UTF-8 too, so there validity proves nothing."""
    return b"\x1b" not in body and b"\0" not in body


def _without_mark(body: bytes) -> bytes:
    return next((body[len(mark) :] for mark, _ in _MARKS if body.startswith(mark)), body)


def _meta_charset(body: bytes) -> str | None:
    found = _META_CHARSET.search(body[: 4 * SNIFFED_BYTES])
    # A declaration that could be read in ASCII cannot be right when it says UTF-16 (WHATWG).
    name = found.group(1).decode("ascii") if found else None
    return "utf-8" if name and name.lower().startswith("utf-16") else name


def _known(name: str | None) -> str | None:
    """The WHATWG name of an encoding that Python can decode, or None."""
    return map_encoding_to_html5(name.strip("\"' "), fallback_utf8=False) if name else None


def _strict(body: bytes, name: str) -> str | None:
    try:
        return body.decode(name)
    except (UnicodeDecodeError, LookupError):
        return None


def _lenient(body: bytes, name: str) -> str:
    return bytes_to_str(body, name, errors="replace", fallback_encodings=())
