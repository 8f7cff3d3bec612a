"""The sampler: ids in, ids out. Knows no text and no tools."""

from tumbler.engine.sampler import Completion, Request, Sampler, Token
from tumbler.engine.sampling import Sampling

__all__ = ["Completion", "Request", "Sampler", "Sampling", "Token"]
