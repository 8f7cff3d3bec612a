"""The sampler: ids in, ids out. Knows no text and no tools."""

from tumbler.engine.masked import fill, pseudo_log_likelihood
from tumbler.engine.products import Weights
from tumbler.engine.runner import PromptId, Score
from tumbler.engine.sampler import Completion, Item, Load, Request, Sampler, Token
from tumbler.engine.sampling import Constraint, Sampling

__all__ = [
    "Completion",
    "Constraint",
    "Item",
    "Load",
    "PromptId",
    "Request",
    "Sampler",
    "Sampling",
    "Score",
    "Token",
    "Weights",
    "fill",
    "pseudo_log_likelihood",
]
