"""The transformer: its families, sizes and weights, Hugging Face folders in and out, its intermediates."""

from tumbler.model.cache import Cache
from tumbler.model.config import FamilyName, ModelConfig, RopeScaling
from tumbler.model.families.table import from_family, from_hf, to_family, to_hf
from tumbler.model.generation import Generation, read_generation
from tumbler.model.init import embedding_is_wide, init_weights
from tumbler.model.sizes import matmul_flops_per_token, parameters, sizes
from tumbler.model.trace import LayerTrace, Trace, trace
from tumbler.model.transformer import Transformer
from tumbler.model.weights import load_model, read_config, save_model

__all__ = [
    "Cache",
    "FamilyName",
    "Generation",
    "LayerTrace",
    "ModelConfig",
    "RopeScaling",
    "Trace",
    "Transformer",
    "embedding_is_wide",
    "from_family",
    "from_hf",
    "init_weights",
    "load_model",
    "matmul_flops_per_token",
    "parameters",
    "read_config",
    "read_generation",
    "save_model",
    "sizes",
    "to_family",
    "to_hf",
    "trace",
]
