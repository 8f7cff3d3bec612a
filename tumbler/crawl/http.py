"""How files are fetched over HTTP; `http_client` does it."""

from __future__ import annotations

from pydantic import Field

from tumbler.recipe import Settings


class HTTP(Settings):
    """How politely and how patiently files are fetched."""

    connections: int = Field(default=4, ge=1)
    """Requests under way at the same time, over all workers together."""
    delay: float = Field(default=1.0, ge=0)
    """Seconds at least between the starts of two requests, over all workers together."""
    tries: int = Field(default=20, ge=1)
    """Tries in a row that bring less than 1 MiB, after which a file is given up."""
    backoff: float = Field(default=1.0, ge=0)
    """Seconds before the second try; twice as long before each further one, up to a minute; a third of it is chance."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds of silence, or of fewer than 1,000 bytes a second, after which a try is broken off."""
    patience: float = Field(default=900.0, ge=0)
    """Seconds that a busy server may ask us to wait (Retry-After); is it longer, the run ends and says so."""
