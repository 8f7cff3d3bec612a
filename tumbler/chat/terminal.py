"""`tumbler generate` and `tumbler chat`: a model at the terminal, or in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from tumbler.chat import conversation_reader, conversation_writer, facts, typed
from tumbler.chat.command import Command, converse, grid, tell
from tumbler.chat.events import Done, Event, Text
from tumbler.chat.load import FP32, Fit
from tumbler.chat.pace import Pace, told
from tumbler.chat.printable import printable
from tumbler.chat.respond import complete
from tumbler.chat.room import TooLong
from tumbler.chat.settings import CHAT, Settings, changed, listed, name_in
from tumbler.chat.stoppable import Answering, StoppableSampler, load_stoppable
from tumbler.chat.structures import Structure
from tumbler.chat.talk import Talk
from tumbler.engine import Sampling
from tumbler.errors import UserError

HINT: Final = "Send a message (/help lists the commands)"
ROOM: Final = "make room with /undo or /reset (/save FILE keeps what was said)"
CLEAR: Final = "clear"


def generate(
    model: Path,
    prompt: str,
    sampling: Sampling,
    stop: Sequence[str] = (),
    *,
    structure: Structure | None = None,
    fit: Fit = FP32,
    out: TextIO | None = None,
) -> None:
    """Print what the model writes after `prompt`, as it comes."""
    loaded, sampler = load_stoppable(model, fit)
    show(complete(loaded, prompt, sampling, stop, structure), sampler, out or sys.stdout)


def chat(
    model: Path,
    sampling: Sampling,
    message: str | None = None,
    system: str | None = None,
    *,
    structure: Structure | None = None,
    fit: Fit = FP32,
    verbose: bool = False,
    lines: Iterable[str] | None = None,
    out: TextIO | None = None,
) -> None:
    """Talk with the model: one `message`, or each of `lines` (default: what is typed, or standard input)."""
    terminal = Terminal(model, Settings(sampling, verbose), system, out or sys.stdout, structure, fit)
    if message is not None:
        terminal.say(message)
        return
    commands = terminal.commands()
    names = [command.name for command in commands]
    converse(typed.lines("chat", names, HINT) if lines is None else lines, commands, terminal.say_or_make_room)


class Terminal:
    """A talk whose answers are written to `out`, and the commands that act on it."""

    def __init__(
        self,
        model: Path,
        settings: Settings,
        system: str | None,
        out: TextIO,
        structure: Structure | None = None,
        fit: Fit = FP32,
    ) -> None:
        loaded, self._sampler = load_stoppable(model, fit)
        self._talk = Talk(loaded, system or None, structure)
        self._settings, self._out = settings, out
        self._about = facts.of_model(model.resolve().name, self._sampler.config)

    def say(self, text: str) -> None:
        """Answer one message. UserError, and nothing remembered, when it is too long."""
        self._answer(self._talk.ask(text.strip(), self._settings.sampling))

    def say_or_make_room(self, text: str) -> None:
        try:
            self.say(text)
        except TooLong as error:
            raise UserError(f"{error}, or {ROOM}") from error

    def commands(self) -> list[Command]:
        return [
            Command(
                "/system TEXT", "sets the system message; /system shows it, /system clear removes it", self._system
            ),
            Command("/retry", "the last answer again, with another draw", self._retry),
            Command("/undo", "takes the last question and its answer back", self._undo),
            Command("/reset", "forgets what was said; the system message stays", self._reset),
            Command("/save FILE", "writes the conversation as JSONL", self._save),
            Command("/save! FILE", "the same, over a file that is there already", self._save_over),
            Command(
                "/load FILE", "goes on with the conversation of a JSONL file; of several: /load FILE NUMBER", self._load
            ),
            Command("/set NAME VALUE", "changes a setting, such as /set temperature 0.7 or /set verbose", self._set),
            Command("/show", "the model, its context, the settings", self._show),
        ]

    def _answer(self, events: Iterator[Event]) -> None:
        pace, done = show(events, self._sampler, self._out)
        if done is None:
            return
        if self._settings.verbose:
            tell(told(pace, done, self._sampler.context))
        if done.finish == "length" and self._out.isatty():
            self._cut(done)

    def _cut(self, done: Done) -> None:
        """Why the answer ended before its end."""
        if done.prompt_tokens + done.completion_tokens >= self._sampler.context:
            tell(f"cut: the model's context of {self._sampler.context:,} tokens is full; {ROOM}")
        else:
            limit = self._settings.sampling.max_tokens
            tell(f"cut at max_tokens {limit:,}; for longer answers: /set max_tokens {2 * limit}")

    def _system(self, text: str) -> None:
        if text:
            self._talk.system = None if text == CLEAR else text
        tell("no system message" if self._talk.system is None else f"system message: {self._talk.system}")

    def _retry(self, _: str) -> None:
        if self._settings.sampling.greedy:
            tell("temperature 0 draws nothing, so the same question has the same answer; try /set temperature 0.8")
        self._answer(self._talk.retry(self._settings.sampling))

    def _undo(self, _: str) -> None:
        tell(f"taken back: {self._talk.undo().content}")

    def _reset(self, _: str) -> None:
        self._talk.reset()
        tell("begun anew")

    def _save(self, words: str, over: bool = False) -> None:
        path = _file(words, "/save")
        conversation_writer.save(path, self._talk.conversation, over)
        tell(f"{'written over' if over else 'saved'}: {path}, {len(self._talk.conversation.messages)} messages")

    def _save_over(self, words: str) -> None:
        self._save(words, over=True)

    def _load(self, words: str) -> None:
        conversation = conversation_reader.load(str(_file(words, "/load")))
        self._talk.take(conversation)
        tell(f"loaded {conversation.id}: {len(conversation.messages)} messages")

    def _set(self, words: str) -> None:
        if words:
            self._settings = changed(self._settings, words, CHAT)
        tell(listed(self._settings, [name_in(words)] if words else CHAT))

    def _show(self, _: str) -> None:
        context = facts.of_context(self._talk.used, self._sampler.context)
        grid([*self._about, context, facts.of_settings(self._settings, CHAT)])


def show(events: Iterator[Event], sampler: StoppableSampler, out: TextIO) -> tuple[Pace, Done | None]:
    """Write an answer as it comes; Ctrl-C ends the answer only, which then has no Done."""
    answering, done = Answering(sampler), None
    for event in answering.pieces(events):
        if isinstance(event, Text):
            out.write(printable(event.text))
            out.flush()
        elif isinstance(event, Done):
            done = event
    out.write(" [stopped]\n" if answering.stopped else "\n")
    out.flush()
    return answering.pace, done


def _file(words: str, command: str) -> Path:
    if not words:
        raise UserError(f"{command}: say which file: {command} chat.jsonl")
    return Path(words).expanduser()
