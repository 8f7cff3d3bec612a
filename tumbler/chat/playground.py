"""`tumbler playground`: a base model goes on with a text, and shows how likely each token is."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console

from tumbler.chat import facts, typed
from tumbler.chat.cells import Cell, HeldCells, prompt_cells
from tumbler.chat.command import Command, converse, grid, tell
from tumbler.chat.events import Done
from tumbler.chat.frame import Frame, of_turns
from tumbler.chat.load import FP32, Fit
from tumbler.chat.pace import told
from tumbler.chat.picture import Flow, Rows, coloured, legend, table
from tumbler.chat.respond import text_request
from tumbler.chat.room import TooLong, check_room
from tumbler.chat.settings import PLAYGROUND, Settings, changed, listed, name_in, redrawn
from tumbler.chat.shots_reader import read_shots
from tumbler.chat.stoppable import Answering, load_stoppable
from tumbler.engine import Request, Sampling
from tumbler.errors import UserError

Turns = tuple[tuple[str, str], ...]
HINT: Final = "Begin a text (/help lists the commands)"


def playground(
    model: Path,
    sampling: Sampling,
    prompt: str | None = None,
    shots: Path | None = None,
    *,
    assistant: bool = False,
    stop: Sequence[str] = (),
    fit: Fit = FP32,
    verbose: bool = False,
    lines: Iterable[str] | None = None,
    out: TextIO | None = None,
) -> None:
    """Complete one `prompt`, or each of `lines` (default: what is typed, or standard input)."""
    if assistant and shots is not None:
        raise UserError("--assistant and --shots are two prompts; give one of them")
    frame = Frame() if shots is None else read_shots(shots)
    ground = Playground(model, Settings(sampling, verbose), frame, stop, out or sys.stdout, assistant, fit)
    if prompt is not None:
        ground.say(prompt)
        return
    commands = ground.commands()
    names = [command.name for command in commands]
    converse(typed.lines("playground", names, HINT) if lines is None else lines, commands, ground.say)


class Playground:
    """A model, what stands around each line, and the commands that change it."""

    def __init__(
        self,
        model: Path,
        settings: Settings,
        frame: Frame,
        stop: Sequence[str],
        out: TextIO,
        assistant: bool = False,
        fit: Fit = FP32,
    ) -> None:
        self._model, self._sampler = load_stoppable(model, fit)
        self._tokenizer = self._model.tokenizer
        self._settings, self._frame, self._stop = settings, frame, tuple(stop)
        self._console = Console(file=out, highlight=False)
        self._about = facts.of_model(model.resolve().name, self._sampler.config)
        self._plays = assistant
        """The model plays an assistant, within a frame of its own."""
        self._turns: Turns = ()
        """What was asked of the assistant, and its answers."""
        self._line: str | None = None
        self._draws = 0
        """How often the last line was completed again."""
        self._used = 0
        self._explained = not coloured(self._console)

    def say(self, line: str) -> None:
        """Complete one line. UserError, and nothing remembered, when it is too long."""
        self._complete(line, self._turns, self._settings.sampling)
        self._line, self._draws = line, 0

    def commands(self) -> list[Command]:
        return [
            Command("/assistant", "a built-in prompt makes the model an assistant; /assistant off", self._assistant),
            Command("/regenerate", "completes the last line again, with another draw", self._regenerate),
            Command("/top N", "tells the N likeliest tokens at each place; /top 0 does not", self._top),
            Command("/reset", "forgets what the assistant was asked", self._reset),
            Command("/set NAME VALUE", "changes a setting, such as /set temperature 0.7 or /set verbose", self._set),
            Command("/show", "the model, its context, the prompt, the settings", self._show),
        ]

    def _complete(self, line: str, turns: Turns, sampling: Sampling) -> None:
        """`turns`: those before this one."""
        frame = of_turns(turns) if self._plays else self._frame
        request = text_request(self._model, frame.around(line.strip() if self._plays else line), sampling).request
        request = dataclasses.replace(request, prompt_top=None if self._plays else sampling.top)
        try:
            check_room(request, self._sampler, "the prompt", "line")
        except TooLong as error:
            raise UserError(f"{error}{', or /reset' if turns else ''}") from error
        held = HeldCells(self._tokenizer, self._stop or frame.stop)
        self._draw(self._cells(request, held, len(frame.before.encode())), request, held)
        if self._plays:
            self._turns = (*turns, (line.strip(), held.text))

    def _cells(self, request: Request, held: HeldCells, skip: int) -> Iterator[Cell]:
        for token in self._sampler.stream([request]):
            if token.prompt is not None:
                yield from prompt_cells(self._tokenizer, request.ids, token.prompt, skip)
            yield from held.push(token)
            if held.found:
                return

    def _draw(self, cells: Iterator[Cell], request: Request, held: HeldCells) -> None:
        self._explain()
        flows, top = coloured(self._console), request.sampling.top > 0
        picture = Flow(self._console) if flows else Rows(self._console, top)
        answering, drawn = Answering(self._sampler), []
        for cell in answering.pieces(cells):
            picture.put(cell)
            drawn.append(cell)
        picture.end(answering.stopped)
        if flows and top:
            table(self._console, drawn)
        self._used = len(request.ids) + held.tokens
        if self._settings.verbose:
            tell(told(answering.pace, Done("stop", len(request.ids), held.tokens), self._sampler.context))

    def _explain(self) -> None:
        if not self._explained:
            self._console.print(legend(self._console), end="\n\n")
        self._explained = True

    def _assistant(self, words: str) -> None:
        if words not in ("", "on", "off"):
            raise UserError(f"/assistant {words}: must be on or off")
        self._turns, self._line = (), None
        self._plays = words != "off"
        tell("the model plays an assistant; each line is a question" if self._plays else "each line is completed")

    def _regenerate(self, _: str) -> None:
        if self._line is None:
            raise UserError("nothing was completed yet")
        if self._settings.sampling.greedy:
            tell("temperature 0 draws nothing, so the same prompt goes on alike; try /set temperature 0.8")
        self._draws += 1
        self._complete(self._line, self._turns[:-1], redrawn(self._settings.sampling, self._draws))

    def _top(self, words: str) -> None:
        self._set(f"top {words}")

    def _reset(self, _: str) -> None:
        self._turns, self._line = (), None
        tell("begun anew")

    def _set(self, words: str) -> None:
        if words:
            self._settings = changed(self._settings, words, PLAYGROUND)
        tell(listed(self._settings, [name_in(words)] if words else PLAYGROUND))

    def _show(self, _: str) -> None:
        prompt = "prompt", f"of an assistant, {len(self._turns)} turns" if self._plays else self._frame.name
        context = facts.of_context(self._used, self._sampler.context)
        grid([*self._about, context, prompt, facts.of_settings(self._settings, PLAYGROUND)])
