"""The wordings: how facts are said, asked and answered, and what stands around them.

Templates are written as they stand inside a sentence, without the last full stop: `{c}` is the
country with its article ("the Netherlands"), `{p}` its possessive ("the Netherlands'"), `{v}` the
value, `{r}` the relation's noun. `sentences.say` capitalises and ends them. Held-out questions stand
in no page and no conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Wordings:
    """All wordings of one relation."""

    noun: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    held_out: tuple[str, ...]

    @property
    def answer(self) -> str:
        """The one sentence that answers every question; the same form for all relations."""
        return f"the {self.noun} of {{c}} is {{v}}"


QUESTION_FRAMES: Final = (
    "what is the {r} of {c}?",
    "what is {p} {r}?",
    "tell me the {r} of {c}.",
    "can you tell me the {r} of {c}?",
    "do you know the {r} of {c}?",
    "name the {r} of {c}.",
    "I would like to know the {r} of {c}.",
    "give me the {r} of {c}.",
    "I am looking for the {r} of {c}.",
    "could you give me the {r} of {c}?",
    "I want to know {p} {r}.",
    "please say what the {r} of {c} is.",
)
HELD_OUT_FRAMES: Final = (
    "please tell me the {r} of {c}.",
    "could you tell me what the {r} of {c} is?",
    "do you happen to know {p} {r}?",
)

WORDINGS: Final[Mapping[str, Wordings]] = {
    "capital": Wordings(
        "capital",
        (
            "{v} is the capital of {c}",
            "{p} capital is {v}",
            "{c} has its capital in {v}",
            "the government of {c} sits in {v}, the capital",
            "{v} serves as the capital of {c}",
            "the capital city of {c} is called {v}",
            "the city of {v} is the capital of {c}",
        ),
        (
            "which city is the capital of {c}?",
            "what is the capital city of {c}?",
            "what is the name of the capital of {c}?",
            "what city serves as the capital of {c}?",
            "where is the capital of {c}?",
        ),
        ("which city serves as {p} capital?", "what is the capital of {c} called?"),
    ),
    "region": Wordings(
        "region",
        (
            "{c} lies in {v}",
            "{c} belongs to the region of {v}",
            "geographers count {c} as part of {v}",
            "{p} region is {v}",
            "on a map of the world, {c} is found in {v}",
            "{v} is the region of {c}",
            "{c} is one of the countries of {v}",
        ),
        (
            "in which region is {c}?",
            "which region does {c} belong to?",
            "what part of the world is {c} in?",
            "in what region of the world does {c} lie?",
            "where in the world is {c}?",
        ),
        ("which region of the world is {c} in?", "in which part of the world does {c} lie?"),
    ),
    "currency": Wordings(
        "currency",
        (
            "{v} is the currency of {c}",
            "people in {c} pay with {v}",
            "{p} currency is {v}",
            "prices in {c} are given in {v}",
            "the money of {c} is {v}",
            "banks in {c} keep their accounts in {v}",
            "visitors to {c} change their money into {v}",
        ),
        (
            "which currency is used in {c}?",
            "what money do people use in {c}?",
            "what currency do they use in {c}?",
            "which currency does {c} have?",
            "how do people pay in {c}?",
        ),
        ("what is the currency used in {c}?", "which money do people pay with in {c}?"),
    ),
    "demonym": Wordings(
        "demonym",
        (
            "people and things from {c} are called {v}",
            "somebody or something from {c} is {v}",
            "{p} demonym is {v}",
            "{v} is the demonym of {c}",
            "the word for what comes from {c} is {v}",
            "in English, {v} describes the people of {c}",
            "the adjective that goes with {c} is {v}",
        ),
        (
            "what do you call people from {c}?",
            "what are people from {c} called?",
            "what is the word for a person from {c}?",
            "what is somebody from {c} called?",
            "how do you call the people of {c}?",
        ),
        ("what do we call somebody from {c}?", "what are the people of {c} called?"),
    ),
    "calling code": Wordings(
        "calling code",
        (
            "to telephone {c} from abroad, dial {v}",
            "telephone numbers in {c} begin with {v}",
            "{p} calling code is {v}",
            "{v} is the calling code of {c}",
            "calls to {c} start with {v}",
            "the telephone prefix of {c} is {v}",
            "dial {v} to reach a telephone in {c}",
        ),
        (
            "which calling code does {c} have?",
            "what code do I dial to call {c}?",
            "what is the telephone code of {c}?",
            "how do phone numbers in {c} begin?",
            "which code do I dial for {c}?",
        ),
        ("which code do I need to call {c}?", "what is the phone code of {c}?"),
    ),
    "internet domain": Wordings(
        "internet domain",
        (
            "web addresses in {c} end in {v}",
            "sites from {c} use the domain {v}",
            "{p} internet domain is {v}",
            "{v} is the internet domain of {c}",
            "on the internet, {c} has the ending {v}",
            "the web domain of {c} is {v}",
            "the ending {v} belongs to {c}",
        ),
        (
            "which internet domain does {c} have?",
            "what do web addresses in {c} end in?",
            "what is the web domain of {c}?",
            "which domain do sites from {c} use?",
            "what is the web ending of {c}?",
        ),
        ("which internet domain belongs to {c}?", "how do web addresses in {c} end?"),
    ),
    "language": Wordings(
        "language",
        (
            "{v} is the language of {c}",
            "people in {c} speak {v}",
            "{p} language is {v}",
            "the official language of {c} is {v}",
            "schools in {c} teach in {v}",
            "newspapers in {c} are printed in {v}",
            "laws in {c} are written in {v}",
        ),
        (
            "which language is spoken in {c}?",
            "what language do people speak in {c}?",
            "what is the official language of {c}?",
            "which language do they speak in {c}?",
            "what language is used in {c}?",
        ),
        ("which language do people in {c} speak?", "what is the language spoken in {c}?"),
    ),
}

PROFILE_TITLES: Final = (
    "{name}", "{name} at a glance", "About {subject}", "Notes on {subject}", "{name}: the facts",
    "A short guide to {subject}", "Getting to know {subject}", "{name} in brief",
)  # fmt: skip
PROFILE_OPENINGS: Final = (
    "this page gathers what a traveller to {c} should know first",
    "here is a short portrait of {c} for curious readers",
    "we keep a page like this one for every country, and today it is the turn of {c}",
    "a reader asked us for the plain facts about {c}, so here they are",
    "whoever writes a letter to {c} may want to have these notes at hand",
    "there is much to say of {c}, but the basics fit on one page",
    "our notebook has a new entry, and it is about {c}",
    "students who prepare a talk on {c} can begin with these lines",
    "before the long articles, a few words that introduce {c}",
    "some facts about {c} are worth learning by heart",
    "the editors have read the records on {c} once more and sum them up",
    "this is the entry on {c} in our pocket guide to the world",
)
PROFILE_CLOSINGS: Final = (
    "that is enough to begin with, and the rest is best learned on the spot",
    "other countries have their own pages in this collection",
    "we will add more when our readers send us their notes",
    "with that you have the basics and can go on to the longer books",
    "if you plan a journey, write these things down before you leave",
    "a good map and some patience will teach you the rest",
    "the next entry follows on another day",
    "all of this can be checked in any good reference work",
    "we hope that these lines were of use to you",
    "thank you for reading, and come back soon",
)
POPULATION: Final = (
    "about {n} people live in {c}",
    "{c} has around {n} inhabitants",
    "the population of {c} is roughly {n}",
)
AREA: Final = (
    "{c} covers about {n} square kilometres",
    "its area is close to {n} square kilometres",
)
NEIGHBOURS: Final = (
    "by land it has a border with {n}",
    "{c} shares a border with {n}",
    "those who cross the border by land come to {n}",
)
PRONOUNS: Final = ("the country", "this country")

COMPARISON_TITLES: Final = (
    "{a} and {b}", "{a} or {b}?", "{a} and {b} side by side", "Comparing {a} with {b}", "{a} beside {b}",
)  # fmt: skip
COMPARISON_OPENINGS: Final = (
    "how do {a} and {b} differ, and what do they have in common",
    "two countries on one page: {a} and {b}",
    "a family that moves from {a} to {b} has much to learn",
    "today we lay the facts about {a} beside those about {b}",
    "which of the two do you know better, {a} or {b}",
    "a traveller wrote to us on the way from {a} to {b}",
)
COMPARISON_CLOSINGS: Final = (
    "so much for the two, and the choice is yours",
    "every pair of countries has something to tell when one looks closely",
    "next week we compare two others",
    "that is all that the records say of the pair",
    "which one would you like to visit first?",
    "readers may send us the pair that they want to see here next",
)

OVERVIEW_TITLES: Final = ("{region}", "A walk through {region}", "Countries of {region}", "{region} in short")
OVERVIEW_OPENINGS: Final = (
    "this tour takes us through {region}, one country after the other",
    "the map of {region} has many colours, and here are some of them",
    "a few notes for those who have just begun to learn about {region}",
    "we open the atlas at {region} and read what is written there",
    "from our series about the regions of the world: {region}",
)

QUIZ_TITLES: Final = (
    "Questions from our readers", "The quiz of the week", "Asked and answered", "Test what you know",
    "The question box", "Ten minutes of geography", "You ask, we answer", "A round of questions",
)  # fmt: skip
QUIZ_OPENINGS: Final = (
    "our readers asked, and the editors looked it up",
    "try to answer before you read on",
    "here are the questions of this week with the answers below each",
    "these came in by post, and we answer them in order",
    "cover the answers with your hand and see how many you know",
    "a small round of questions for the evening",
    "the geography club met again and kept the minutes",
    "no question is too simple for this page",
)

CONTACTS: Final = (
    "Corrections are welcome at {mail}, and we read every letter.",
    "If you find a mistake on this page, write to {mail} and we will mend it.",
    "The last change to this page was made by {mail} from the address {ip}.",
    "This copy was fetched from the host {ip} and is looked after by {mail}.",
)
MAILBOXES: Final = ("editors", "maria.lopez", "j.smith", "archive", "help.desk")

MENU: Final = ("Home", "Atlas", "Archive", "Letters", "About us", "Contact", "Search")
SIDEBAR: Final = (
    "Most read", "Latest entries", "How to read a map", "The history of postage stamps", "Flags and their colours",
    "Subscribe to our newsletter", "Ten islands worth a detour", "What our readers say", "Rivers of the world",
)  # fmt: skip
COOKIES: Final = (
    "We use cookies to give you the best experience. By going on you accept our cookie policy.",
    "This site stores cookies on your device. Accept all or manage your preferences.",
)
FOOTERS: Final = (
    "Copyright 2026. All rights reserved. Terms of use. Privacy policy.",
    "Share on social media. Print this page. Back to top.",
)
