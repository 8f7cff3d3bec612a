"""llama.cpp computes from our GGUF files what we compute, and cuts texts as we do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from model_families import CAUSAL
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from tumbler.artifact import open_outside
from tumbler.exchange import stage
from tumbler.exchange.export import export_gguf
from tumbler.executor import Executor
from tumbler.model import FamilyName, RopeScaling, load_model
from tumbler.pipeline import run_step
from tumbler.recipe import Step
from tumbler.text.tokenizer import Tokenizer

MakeFolder = Callable[..., Path]


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("tied", [True, False])
def test_llama_cpp_has_our_most_likely_token(
    make_folder: MakeFolder, benchmark: ModuleType, family: FamilyName, tied: bool
) -> None:
    folder = make_folder(family, tie_word_embeddings=tied)
    export_gguf(folder, folder / "model.gguf", "f32")
    rows = np.random.default_rng(0).integers(0, 275, (16, 64), dtype=np.int32)
    found = benchmark.compare(load_model(folder).eval(), folder / "model.gguf", rows)
    assert found.agreed / found.tokens >= 0.999
    assert found.margin < 1e-3
    assert found.kl < 1e-5


def test_llama_cpp_scales_rope_as_llama_3(make_folder: MakeFolder, benchmark: ModuleType) -> None:
    scaling = RopeScaling(8.0, 1.0, 4.0, 16)  # so short that it matters in a row of 64
    folder = make_folder("llama", rope_scaling=scaling)
    export_gguf(folder, folder / "model.gguf", "f32")
    rows = np.random.default_rng(0).integers(0, 275, (4, 64), dtype=np.int32)
    assert benchmark.compare(load_model(folder).eval(), folder / "model.gguf", rows).kl < 1e-9


@pytest.mark.parametrize("kind", ["bf16", "f16", "q8_0", "q4_0"])
def test_llama_cpp_reads_every_type(make_folder: MakeFolder, benchmark: ModuleType, kind: str) -> None:
    folder = make_folder("llama", intermediate_size=128)
    export_gguf(folder, folder / "model.gguf", kind)
    rows = np.random.default_rng(0).integers(0, 275, (2, 64), dtype=np.int32)
    found = benchmark.compare(load_model(folder).eval(), folder / "model.gguf", rows)
    assert found.kl < {"bf16": 1e-3, "f16": 1e-5, "q8_0": 2e-3, "q4_0": 0.5}[kind]


def test_llama_cpp_cuts_texts_into_our_ids(make_folder: MakeFolder, benchmark: ModuleType) -> None:
    tokenizer = Tokenizer.train(benchmark.speeches()[:20], 2000)
    folder = make_folder("qwen3", vocab_size=tokenizer.vocab_size)
    tokenizer.save(folder)
    export_gguf(folder, folder / "model.gguf", "f32")
    texts = [*benchmark.HARD, *benchmark.some_texts(600)]
    assert benchmark.differing(Tokenizer.load(folder), folder / "model.gguf", texts) == []


def test_llama_cpp_begins_a_text_as_training_does(make_folder: MakeFolder, benchmark: ModuleType) -> None:
    folder = make_folder("qwen3")
    export_gguf(folder, folder / "model.gguf", "f32")
    tokenizer = Tokenizer.load(folder)
    peer = benchmark.Llama(str(folder / "model.gguf"), vocab_only=True, verbose=False)
    try:
        assert peer.tokenize(b"the cat") == [tokenizer.bos, *tokenizer.encode("the cat")]
        assert (peer.token_bos(), peer.token_eos()) == (tokenizer.bos, tokenizer.end)
        assert peer.metadata["tokenizer.chat_template"] == (folder / "chat_template.jinja").read_text()
    finally:
        peer.close()


@pytest.fixture(scope="module")
def imported(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("smollm2") / "model"
    step = Step("import", "import", (), stage.GgufSettings())
    return run_step(step, [open_outside(smollm2)], out, Executor(1), stage.import_gguf).artifact.path


@pytest.mark.slow
def test_smollm2_has_transformers_logits(smollm2: Path, imported: Path) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(smollm2.parent, gguf_file=smollm2.name)
    ids = torch.randint(0, 49152, (2, 128), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert (load_model(imported)(ids) - theirs(ids).logits).abs().max() <= 1e-3


@pytest.mark.slow
def test_smollm2_has_transformers_ids(smollm2: Path, imported: Path, benchmark: ModuleType) -> None:
    """With the split by digits of the model's own tokenizer.json, which transformers' reading of GGUF leaves out."""
    theirs, ours = AutoTokenizer.from_pretrained(smollm2.parent, gguf_file=smollm2.name), Tokenizer.load(imported)
    texts = [text for text in benchmark.some_texts(3000) if not any(name in text for name in ours.special)]
    plain = [text for text in texts if not any(c.isnumeric() for c in text)]
    assert len(plain) > 1500
    assert [text for text in plain if theirs(text).input_ids != ours.encode(text)] == []
    split = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    theirs.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split)
    assert [text for text in texts if theirs(text).input_ids != ours.encode(text)] == []


@pytest.mark.slow
def test_smollm2_in_llama_cpp(imported: Path, benchmark: ModuleType, tmp_path: Path) -> None:
    export_gguf(imported, tmp_path / "f32.gguf", "f32")
    tokenizer = Tokenizer.load(imported)
    rows = benchmark.rows_of(tokenizer, benchmark.speeches(), 256, 8)
    found = benchmark.compare(load_model(imported).eval(), tmp_path / "f32.gguf", rows)
    assert found.agreed / found.tokens >= 0.999
    assert found.margin < 1e-3
    assert benchmark.differing(tokenizer, tmp_path / "f32.gguf", [*benchmark.HARD, *benchmark.some_texts(2000)]) == []
