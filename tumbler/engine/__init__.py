"""The sampler: ids in, ids out. Knows no text and no tools."""

from tumbler.engine.masked import fill, pseudo_log_likelihood
from tumbler.engine.runner import Score
from tumbler.engine.sampler import Completion, Request, Sampler, Token
from tumbler.engine.sampling import Sampling

__all__ = ["Completion", "Request", "Sampler", "Sampling", "Score", "Token", "fill", "pseudo_log_likelihood"]
