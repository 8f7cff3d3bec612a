"""The transformer: its sizes, its weights, and Hugging Face folders in and out."""

from tumbler.model.cache import Cache
from tumbler.model.config import ModelConfig, matmul_flops_per_token, sizes
from tumbler.model.transformer import Transformer
from tumbler.model.weights import init_weights, load_model, recommended_temperature, save_model

__all__ = [
    "Cache",
    "ModelConfig",
    "Transformer",
    "init_weights",
    "load_model",
    "matmul_flops_per_token",
    "recommended_temperature",
    "save_model",
    "sizes",
]
