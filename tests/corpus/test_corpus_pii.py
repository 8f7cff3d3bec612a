"""Personal data is found, look-alikes are left alone, and hostile text costs linear time."""

from __future__ import annotations

import itertools
import random
import re
import string
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.corpus.rules.pii import Cleaned, PIIRemoval
from tumbler.corpus.rules.pii_patterns import passes_luhn

ALL = PIIRemoval(ipv6s=True, cards=True, phones=True)
KINDS = ("emails", "ips", "ipv6s", "cards", "phones")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jane.doe+x@mail.co.uk now", "write to email@example.com now"),
        ("a@b.com c@d.org e@f.net", "email@example.com firstname.lastname@example.org email@example.com"),
        ("at root@[8.8.8.8] or <x@y.org>.", "at email@example.com or <firstname.lastname@example.org>."),
        ("at 8.8.8.8 and 192.168.0.1", "at 22.214.171.124 and 192.168.0.1"),
        ("oid 1.3.6.1.4.1.311", "oid 22.214.171.124.4.1.311"),
        ("@handle, 10.0.0.1, version 1.2.3, a @ b, x@y", "@handle, 10.0.0.1, version 1.2.3, a @ b, x@y"),
        ("card 4111 1111 1111 1111, call +49 30 123456", "card 4111 1111 1111 1111, call +49 30 123456"),
    ],
)
def test_addresses_are_replaced_as_in_fineweb(text: str, expected: str) -> None:
    assert PIIRemoval()(text).text == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2001:4860:4860::8888", "ipv6s"),
        ("[2606:4700::1111]:443", "ipv6s"),
        ("2001:db8::1 fe80::1 12:30:45 a::b std::move", None),
        ("4111 1111 1111 1111", "cards"),
        ("378282246310005.", "cards"),
        ("3782-822463-10005", "cards"),
        ("4111 1111 1111 1112", None),
        ("1234 5678 1234 5670", None),
        ("1234111111111111111", None),
        ("978-0-306-40615-7", None),
        ("+49 (0)89 307742-12", "phones"),
        ("+442079460958", "phones"),
        ("(212) 555-0123", "phones"),
        ("1-800-273-8255", "phones"),
        ("+1 212 555 0123", "phones"),
        ("212.456.7890.", "phones"),
        ("123-456-7890 911-456-7890 212-4567-890 2024-01-15 +12 and x+4420794609", None),
    ],
)
def test_the_other_kinds_are_found_on_request(text: str, kind: str | None) -> None:
    assert PIIRemoval()(text) == Cleaned(text)
    found = ALL(f"It is {text}")
    assert {name for name in KINDS if getattr(found, name)} == ({kind} if kind else set())


def test_pii_is_counted_and_can_stay() -> None:
    cleaned = PIIRemoval()("a@b.com 8.8.8.8 9.9.9.9")
    assert (cleaned.emails, cleaned.ips) == (1, 2)
    assert PIIRemoval(emails=False, ips=False)("a@b.com 8.8.8.8").text == "a@b.com 8.8.8.8"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at 8.8.8.8:53, (9.9.9.9).", 2),
        ("1.3.6.1.4.1 v8.8.8.8 version 8.8.8.8 08.8.8.8 8.8.8.8.8 8.8.8.8a", 0),
    ],
)
def test_a_lone_address_is_no_piece_of_other_numbers(text: str, expected: int) -> None:
    assert PIIRemoval(lone_ips_only=True)(text).ips == expected
    assert PIIRemoval()(text).ips >= expected


def test_example_addresses_of_ours_are_found_once_more_but_cards_are_not() -> None:
    assert ALL("0000 0000 0000 0000 2001:db8::1").text == "0000 0000 0000 0000 2001:db8::1"


@given(st.from_regex(r"[0-9]{12,18}", fullmatch=True))
def test_one_digit_more_makes_every_number_pass_luhn(digits: str) -> None:
    assert [passes_luhn(digits + last) for last in string.digits].count(True) == 1


HOSTILE = (
    "a!" * 50_000 + " @b.cc", "@a" * 50_000, "a." * 50_000 + "@b.c", "@" + "a-" * 50_000, "x@" + "a." * 50_000 + "-",
    "1." * 50_000, "2001:" * 20_000, "+44 " + "1 " * 50_000, "4111" * 25_000, "(" * 100_000, "+" * 100_000,
    "(212) 555-" * 10_000,
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_costs_linear_time(text: str) -> None:
    start = time.process_time()
    ALL(text)
    assert time.process_time() - start < 1.0


Draw = Callable[[random.Random], str]
FRAMES = ("Write to {} today.", "({})", "It is {}, they say.", "contact: {}\nor not", "<{}>", "see {}", "{} is right.")


def number(source: random.Random, pattern: str) -> str:
    """A random digit for every # of a pattern, one from 2 to 9 for every N, a letter for every x, hex for every h."""
    kinds = {"#": string.digits, "N": "23456789", "x": string.ascii_lowercase, "h": "0123456789abcdef"}
    return "".join(source.choice(kinds.get(sign, sign)) for sign in pattern)


def email(source: random.Random) -> str:
    """Nine ordinary addresses for one that is quoted, of an international domain, or spelled out."""
    name = number(source, source.choice(("xxxx", "xxxx.xxxxxx", "xx-xxxx##", "xxxx+xxx", "x_xxxxx", "XXX.xxx")))
    domain = number(source, source.choice(("xxxxx.com", "mail.xxxx.co.uk", "xx-xxx.org", "x##.museum", "xxx.io")))
    rare = (f'"{name} x"@{domain}', f"{name}@bücher.de", f"{name} [at] {domain}", f"{name} AT {domain}")
    return source.choice(rare) if source.random() < 0.1 else f"{name}@{domain}"


def ip(source: random.Random) -> str:
    first = source.choice((8, 23, 45, 62, 81, 93, 104, 151, 185, 203))
    address = ".".join(map(str, (first, source.randint(1, 255), *source.choices(range(256), k=2))))
    return source.choice(("{}", "{}", "{}:8080", "http://{}/x", "{}/24")).format(address)


def ipv6(source: random.Random) -> str:
    return number(
        source, source.choice(("2a0N:hhhh::hh", "26N0:hhh:h:hh::1", "2a00:hhhh:hhhh:hhhh:hhhh:hhhh:hhhh:hhhh"))
    )


def card(source: random.Random) -> str:
    start = source.choice(("4", "51", "55", "2223", "37", "6011", "36", "3530", "62"))
    size = {"37": 15, "36": 14}.get(start, 16)
    digits = start + number(source, "#" * (size - 1 - len(start)))
    digits += next(last for last in string.digits if passes_luhn(digits + last))
    ends = (0, 4, 8, 12, 16) if size == 16 else (0, 4, 10, size)
    return source.choice(("", " ", "-")).join(digits[a:b] for a, b in itertools.pairwise(ends))


def phone(source: random.Random) -> str:
    """Nine of the forms that are asked for, one that is not (local, without +)."""
    usual = (
        "+49 30 N#######", "+44 20 N### ####", "+33 N ## ## ## ##", "+41 44 N## ## ##", "+39 06 N#######",
        "+81-3-N###-####", "+91 N#### #####", "+1 (NN5) N3N-####", "(NN6) N4N-####", "NN7-N5N-####", "NN8.N6N.####",
        "1-NN4-N7N-####", "+1NN3N3N####", "+351 N## ### ###", "+86 138 #### ####", "+49 (0)89 N#####",
    )  # fmt: skip
    return number(source, source.choice(("030 N#######", "0N1 ### ####") if source.random() < 0.1 else usual))


PLANTED: dict[str, Draw] = {"emails": email, "ips": ip, "ipv6s": ipv6, "cards": card, "phones": phone}
LOOK_ALIKES = (
    "version N.#.##", "v#.#.#.#", "release N.N.#.N", "section N.N.N.N", "2019-0N-1N", "1N/0N/2020",
    "11N-#######-#######",
    "ISBN 978-0-306-40N15-7", "ISBN 9780306406157", "10.0.N#.N#", "192.168.N.N#", "127.0.0.1", "@xxxxxx",
    "xxx@localhost",
    "xxx@xxxx", "pip install xxxx@#.#.#", "1N:N#:##", "00:1h:hh:hh:hh:hh", "N#.#####, 1N.#####", "xxx::xxxx", "#######",
    "1N###########", "EUR 1.000.000,00", "N## ### ###", "part ##-####-##", "$1,000,000.00", "hhhhhhhhhhhhhhhh",
    "###-##-####", "tel:#", "+N# %", "x+##########", "2^61", "RFC 2606", "N###############",
)  # fmt: skip


def figures(rule: PIIRemoval) -> dict[str, tuple[int, int]]:
    """By kind: how many of 100 planted are gone, and how many pieces of 200 look-alikes were taken for it."""
    source = random.Random(4)
    found, wrong = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
    for kind, draw in PLANTED.items():
        for place in range(100):
            datum = draw(source)
            bare = re.sub(r"^http://|/x$|/24$|:8080$", "", datum)
            found[kind] += bare not in rule(FRAMES[place % len(FRAMES)].format(datum)).text
    for place in range(200):
        cleaned = rule(FRAMES[place % len(FRAMES)].format(number(source, LOOK_ALIKES[place % len(LOOK_ALIKES)])))
        for kind in KINDS:
            wrong[kind] += getattr(cleaned, kind)
    return {kind: (found[kind], wrong[kind]) for kind in KINDS}


def rates(found: dict[str, tuple[int, int]]) -> Iterator[tuple[str, float, float]]:
    """(kind, recall, precision)."""
    for kind, (right, wrong) in found.items():
        yield kind, right / 100, right / (right + wrong) if right + wrong else 1.0


DEFAULT = {"emails": (0.92, 0.938), "ips": (1.0, 0.847), "ipv6s": (0.0, 1.0), "cards": (0.0, 1.0), "phones": (0.0, 1.0)}
EVERYTHING = DEFAULT | {"ipv6s": (1.0, 1.0), "cards": (1.0, 0.99), "phones": (0.9, 1.0)}
CAREFUL = DEFAULT | {"ips": (1.0, 1.0)}


@pytest.mark.parametrize(
    ("rule", "floors"),
    [(PIIRemoval(), DEFAULT), (ALL, EVERYTHING), (PIIRemoval(lone_ips_only=True), CAREFUL)],
    ids=["default", "all kinds", "lone addresses"],
)
def test_recall_and_precision_on_planted_data_and_look_alikes(
    rule: PIIRemoval, floors: dict[str, tuple[float, float]]
) -> None:
    """On 500 planted and 200 look-alikes no less than was measured. The misses are quoted names, international
    domains, addresses spelled out, and local numbers without +. What is wrongly taken is FineWeb's own: numbers of
    four parts (versions, sections) and `name@1.2.3`; and one number in a hundred is a card by chance."""
    for kind, recall, precision in rates(figures(rule)):
        assert recall >= floors[kind][0], kind
        assert precision >= floors[kind][1], kind
