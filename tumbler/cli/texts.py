"""Verbs for tokenizers, and for what recipes want from elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tumbler.cli.app import verbs

fetch = verbs("fetch", "Get what recipes want from its home.\n\nExample: tumbler fetch ut1")


@fetch.command()
def ut1(
    out: Annotated[Path, typer.Option(help="Folder of the lists.")] = Path("ut1"),
    category: Annotated[
        list[str] | None, typer.Option(help="A category, or all; default those that RefinedWeb and FineWeb drop.")
    ] = None,
    url: Annotated[str | None, typer.Option("--from", metavar="URL", help="A mirror with the same files.")] = None,
) -> None:
    """The UT1 lists of domains and URLs that the corpus stage's URL filter reads (CC BY-SA 4.0).

    Example: tumbler fetch ut1 --category adult --category gambling
    """
    from tumbler.crawl import ut1_client

    for name, size in ut1_client.fetch_ut1(out, category or ut1_client.CATEGORIES, url or ut1_client.HOME):
        print(f"{out / name}  {size:,} bytes")
    print(f"use them: --set corpus.blocklists='[\"{out}\"]'")


@fetch.command()
def tokenizer(
    name: Annotated[str, typer.Argument(help="gpt2, cl100k_base or o200k_base.")],
    out: Annotated[Path, typer.Option(help="Folder of the file.")] = Path(),
    url: Annotated[str | None, typer.Option("--from", metavar="URL", help="A mirror with the same files.")] = None,
) -> None:
    """OpenAI's ranks of a tokenizer, as NAME.tiktoken: for the tokens stage, inspect and compare.

    Example: tumbler fetch tokenizer gpt2
    """
    from tumbler.tokens import rank_client

    path = rank_client.fetch_ranks(name, out, url or rank_client.HOME)
    print(f"{path}\nuse it: --set tokens.tokenizer='\"{path}\"'")


tokenizers = verbs("tokenizer", 'Look into tokenizers.\n\nExample: tumbler tokenizer inspect "Hello, world!"')


@tokenizers.command("inspect")
def inspect_text(
    text: Annotated[str, typer.Argument(help="A text; - reads standard input.")],
    tokenizer: Annotated[
        Path | None, typer.Option(help="tokenizer.json or .tiktoken, or its folder; default: one trained on the spot.")
    ] = None,
) -> None:
    """The ladder of a text: characters, UTF-8 bytes, bits, pre-tokens, merges step by step, ids.

    Example: tumbler tokenizer inspect "naïve 🙂 tokens" --tokenizer runs/tiny/tokens/tokenizer
    """
    from tumbler.tokens import inspection

    inspection.inspect(sys.stdin.read() if text == "-" else text, tokenizer)


@tokenizers.command("compare")
def compare_tokenizers(
    tokenizer: Annotated[list[Path], typer.Argument(help="tokenizer.json, .model or .tiktoken, or their folders.")],
    text: Annotated[Path | None, typer.Option(help="A text file; default: many languages and code.")] = None,
) -> None:
    """Tokens, and bytes a token, of several tokenizers by language and on code.

    Example: tumbler tokenizer compare runs/tiny/tokens/tokenizer cl100k_base.tiktoken
    """
    from tumbler import show
    from tumbler.tokens import comparison

    show.present([comparison.compare(tokenizer, text)])
