"""Where personal data stands in a text: each function yields the spans (start, end) of one kind, in order.

E-mail and IPv4 addresses are found exactly where datatrove's PIIFormatter finds them. All take time
linear in the text's length, whatever it holds.
"""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Iterator
from typing import Final

Spans = Iterator[tuple[int, int]]

_ATOM: Final = frozenset(string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_BYTE: Final = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}|\[(?:{_BYTE}\.){{3}}(?:{_BYTE}|[A-Za-z0-9-]*[A-Za-z0-9]:)\]")
_IP = re.compile(rf"(?:{_BYTE}\.){{3}}{_BYTE}")
_NUMBERS = re.compile(r"[0-9][0-9.]{6,}")
"""What an IPv4 address lies in; looked for first because it begins with a plain set of characters, which is fast."""
_LONE_IP = re.compile(rf"(?<![\w.])(?<!version )(?<!release )(?<!section )(?:{_BYTE}\.){{3}}{_BYTE}(?!\w|\.\d)", re.I)
_IPV6 = re.compile(r"(?<![\w:.])[23][0-9a-f]{3}:[0-9a-f:]{1,34}(?![\w:]|\.\d)", re.I)
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""What is assigned to hosts (RFC 4291)."""


def emails(text: str) -> Spans:
    """E-mail addresses (RFC 5322 without quoted names; the domain may be an address in brackets)."""
    end = 0
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        start = _name_start(text, end, at) if domain else None
        if domain and start is not None:
            end = domain.end()
            yield start, end
        at = text.find("@", at + 1)


def _name_start(text: str, floor: int, at: int) -> int | None:
    """Where the name before `at` begins: as far to the left as its atoms and single dots reach, at the edge of a word.

    Read from the @ to the left, because from left to right a regular expression takes quadratic time.
    """
    start, place = None, at
    while place > floor:
        character = text[place - 1]
        if character in _ATOM:
            place -= 1
            if _is_edge(text, place):
                start = place
        elif character == "." and place < at and text[place] != ".":
            place -= 1
        else:
            break
    return start


def _is_edge(text: str, place: int) -> bool:
    """What `\\b` means in a regular expression."""
    return _in_word(text[place]) != (place > 0 and _in_word(text[place - 1]))


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def public_ips(text: str, lone: bool) -> Spans:
    """Public IPv4 addresses; `lone`: only those that are no piece of a longer row of numbers and that no
    word before them calls a version, release or section."""
    for numbers in _NUMBERS.finditer(text):
        for found in _IP.finditer(text, *numbers.span()):
            if _is_public(found.group()) and not (lone and _LONE_IP.match(text, found.start()) is None):
                yield found.span()


def public_ipv6s(text: str) -> Spans:
    for found in _IPV6.finditer(text):
        if _is_public(found.group()) and ipaddress.IPv6Address(found.group()) in _GLOBAL_UNICAST:
            yield found.span()


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


_CARD = re.compile(
    r"(?<![\w.+-])(?:[0-9]{13,19}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?"
    r"|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5})(?!\w|[-.][0-9])"
)
_ISSUERS: Final = (  # first digits, lengths (ISO/IEC 7812; the issuers' published ranges)
    (r"4", (13, 16, 19)),  # Visa
    (r"5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)", (16,)),  # Mastercard
    (r"3[47]", (15,)),  # American Express
    (r"3(?:0[0-5]|[689])", (14,)),  # Diners Club
    (r"6(?:011|4[4-9]|5|2)|35(?:2[89]|[3-8])", (16, 17, 18, 19)),  # Discover, UnionPay, JCB
    (r"50(?:18|20|38)|5893|6(?:304|759|76[1-3])", tuple(range(13, 20))),  # Maestro
)


def cards(text: str) -> Spans:
    """Numbers of payment cards: plain or in the usual groups, of an issuer's range, with a right check digit."""
    for found in _CARD.finditer(text):
        digits = re.sub(r"[ -]", "", found.group())
        if _is_issued(digits) and passes_luhn(digits):
            yield found.span()


def _is_issued(digits: str) -> bool:
    return any(len(digits) in lengths and re.match(first, digits) for first, lengths in _ISSUERS)


def passes_luhn(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1, Annex B): every second digit from the right doubled, the sum a multiple of ten."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


_CALLING_CODE: Final = (  # ITU-T E.164, the codes in use; 1 has rules of its own
    r"(?:7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|21[12368]|2[2346][0-9]|25[0-8]|29[01789]|35[0-9]"
    r"|37[0-9]|38[0-35-79]|42[013]|5[09][0-9]|67[02-9]|68[0-35-9]|69[0-2]|80[08]|85[02356]|87[08]|88[0-3689]|96[0-8]"
    r"|97[0-79]|99[2-68])"
)
_AREA: Final = r"(?![2-9]11)[2-9][0-8][0-9]"
_EXCHANGE: Final = r"(?![2-9]11)[2-9][0-9]{2}"
_PHONE = re.compile(
    rf"(?<![\w.+/-])(?:\+{_CALLING_CODE}(?:[ .-]?\(0\)|[ .-]?(?=\(?[1-9]|(?<=39)0|(?<=39[ .-])0))"
    rf"(?:[ .-]?(?:\([0-9]{{1,4}}\)|[0-9])){{6,12}}"
    rf"|(?:\+?1[ .-]?)?(?:\({_AREA}\)[ ]?|{_AREA}([.-])){_EXCHANGE}[.-][0-9]{{4}}"
    rf"|\+1[ .-]?{_AREA}[ .-]?{_EXCHANGE}[ .-]?[0-9]{{4}})(?!\w|[-.][0-9])"
)
_FEWEST_DIGITS: Final = 8


def phones(text: str) -> Spans:
    """Telephone numbers: international ones with + (E.164), North American ones in their usual groups."""
    for found in _PHONE.finditer(text):
        digits = sum(character.isdigit() for character in found.group())
        if _FEWEST_DIGITS <= digits <= 15:
            yield found.span()
