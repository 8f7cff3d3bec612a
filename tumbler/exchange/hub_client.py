"""Reader of the Hugging Face Hub: a model's files, by way of the Hub's own cache, so that a broken download goes on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import httpx
import huggingface_hub
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tumbler.errors import Failure, UserError
from tumbler.exchange.folder_reader import BELONGING, CARD, LEGAL

NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")
"""OWNER/MODEL, and a revision if it is not the main one."""
WANTED: Final = (*BELONGING, CARD, *LEGAL, "*.safetensors", "*.safetensors.index.json")
"""No code, no pickles, no weights of other frameworks."""


def is_name(source: str) -> bool:
    """Whether a source is a model of the Hub: no folder is called so here."""
    return NAME.fullmatch(source) is not None and not Path(source).exists()


def fetched(name: str) -> Path:
    """The folder of a model, downloaded as far as it is not in the cache. Private ones need HF_TOKEN.

    Raises UserError when the Hub has no such model or does not let us have it, Failure when it cannot be reached.
    """
    repository, _, revision = name.partition("@")
    try:
        folder = huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=list(WANTED))
    except GatedRepoError as error:
        raise UserError(
            f"{name}: its owner asks for consent; give it on the model's page, then set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(f"{name}: the Hub's model has no revision {revision!r}") from error
    except (RepositoryNotFoundError, EntryNotFoundError) as error:
        if isinstance(error, LocalEntryNotFoundError):
            raise Failure(f"{name}: the Hub cannot be reached; the same command goes on") from error
        raise UserError(f"{name}: no folder here, and no model of the Hub (a private one needs HF_TOKEN)") from error
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise Failure(f"{name}: the download broke off ({type(error).__name__}); the same command goes on") from error
    return Path(folder)
