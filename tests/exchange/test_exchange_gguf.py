"""A model's folder -> GGUF -> a folder again; and what other readers of GGUF make of ours."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader
from hypothesis import given, settings
from hypothesis import strategies as st
from model_families import CAUSAL, configs, random_weights, small_config
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from tumbler.errors import UserError
from tumbler.exchange import hyperparameters
from tumbler.exchange.export import export_gguf
from tumbler.exchange.gguf_reader import GgufFile, read_model
from tumbler.exchange.gguf_writer import FILE_TYPES, Entry, write_gguf
from tumbler.exchange.names import places
from tumbler.model import FamilyName, ModelConfig, RopeScaling, Transformer, load_model, save_model, to_family
from tumbler.text.tokenizer import Tokenizer

MakeFolder = Callable[..., Path]
IDS = torch.randint(0, 300, (2, 40), generator=torch.Generator().manual_seed(1))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(folder).state_dict())


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@st.composite
def exportable(draw: st.DrawFn, vocab_size: int) -> ModelConfig:
    """Any config that llama.cpp computes."""
    changes: dict[str, Any] = {"vocab_size": vocab_size}
    config = draw(configs().filter(lambda config: config.family in CAUSAL))
    changes["activation"] = hyperparameters.ACTIVATION[config.family]
    changes["rope_scaling"] = None
    changes["attention_bias"] = config.family == "gpt2" or (config.family == "llama" and config.attention_bias)
    if config.family == "gpt2":
        changes["rope_theta"] = 1e4
    return replace(config, **changes)


@settings(max_examples=40)
@given(st.data())
def test_a_model_comes_back_from_f32_bit_for_bit(small_tokenizer: Tokenizer, data: st.DataObject) -> None:
    config = data.draw(exportable(small_tokenizer.vocab_size))
    with tempfile.TemporaryDirectory() as name:
        folder, file = Path(name) / "a", Path(name) / "a.gguf"
        model = random_weights(config)
        folder.mkdir()
        save_model(model, folder, torch.float32)
        small_tokenizer.save(folder)
        export_gguf(folder, file, "f32")
        again = read_model(GgufFile(file), {})
    assert same(dict(model.state_dict()), dict(again.state_dict()))
    tokens = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    theta = float(str(np.float32(config.rope_theta)))  # GGUF keeps it so
    assert again.config == replace(config, **tokens, rope_theta=theta)


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_llama_3s_rope_scaling_comes_back(make_folder: MakeFolder, tmp_path: Path, factor: float) -> None:
    scaling = RopeScaling(factor, 1.0, 4.0, 8192)
    folder = make_folder("llama", head_dim=64, rope_theta=5e5, rope_scaling=scaling)
    export_gguf(folder, tmp_path / "a.gguf", "q8_0")
    assert read_model(GgufFile(tmp_path / "a.gguf"), {}).config.rope_scaling == scaling


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("tied", [True, False])
def test_transformers_reads_our_file_as_our_folder(make_folder: MakeFolder, family: FamilyName, tied: bool) -> None:
    folder = make_folder(family, tie_word_embeddings=tied)
    export_gguf(folder, folder / "model.gguf", "f32")
    config = AutoConfig.from_pretrained(folder)  # of which transformers reads only a part from GGUF
    theirs = AutoModelForCausalLM.from_pretrained(folder, gguf_file="model.gguf", config=config)
    with torch.no_grad():
        assert (load_model(folder)(IDS) - theirs(IDS).logits).abs().max() <= 1e-3
    texts = ["the cat sat on the mat", "über größere Bäume 🌳 1234, <|end|> I'm"]
    (folder / "alone").mkdir()  # where no tokenizer.json is preferred to it
    (folder / "model.gguf").rename(folder / "alone" / "model.gguf")
    told = AutoTokenizer.from_pretrained(folder / "alone", gguf_file="model.gguf")
    ours = AutoTokenizer.from_pretrained(folder)
    assert told.get_vocab().items() >= ours.get_vocab().items()
    assert [told(text, add_special_tokens=False).input_ids for text in texts] == [
        ours(text, add_special_tokens=False).input_ids for text in texts
    ]


@pytest.mark.parametrize("family", CAUSAL)
def test_tensors_have_the_names_that_the_gguf_package_maps_them_to(family: FamilyName) -> None:
    config = small_config(family, tie_word_embeddings=False)
    with torch.device("meta"):
        parameters = dict(Transformer(config).named_parameters())
    architecture = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}[family]
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    theirs = {names.get_name(name, try_suffixes=(".weight", ".bias")) for name in to_family(config, parameters)}
    assert {place.name for place in places(config, parameters)} == theirs


@pytest.mark.parametrize("kind", FILE_TYPES)
def test_equal_folders_give_equal_bytes(make_folder: MakeFolder, tmp_path: Path, kind: str) -> None:
    folder = make_folder("llama")
    export_gguf(folder, tmp_path / "a.gguf", kind)
    export_gguf(folder, tmp_path / "b.gguf", kind)
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize(
    ("kind", "matrix", "embedding"), [("bf16", "BF16", "BF16"), ("q8_0", "Q8_0", "Q8_0"), ("q4_0", "Q4_0", "Q8_0")]
)
def test_matrices_are_quantized_and_the_rest_stays(
    make_folder: MakeFolder, tmp_path: Path, kind: str, matrix: str, embedding: str
) -> None:
    folder = make_folder("gpt2", intermediate_size=100)  # rows of 100 are no whole blocks of 32
    export_gguf(folder, tmp_path / "a.gguf", kind)
    types = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(tmp_path / "a.gguf").tensors}
    assert types["blk.0.attn_qkv.weight"] == matrix
    assert types["token_embd.weight"] == embedding
    assert types["blk.0.ffn_down.weight"] == ("BF16" if kind == "bf16" else "F16")
    plain = ("position_embd.weight", "blk.0.attn_norm.weight", "blk.0.attn_qkv.bias", "output_norm.weight")
    assert {types[name] for name in plain} == {"F32"}
    near = {"bf16": 2**-8, "q8_0": 2**-7, "q4_0": 2**-3}[kind]  # of the largest in a block
    before = weights(folder)
    for name, tensor in read_model(GgufFile(tmp_path / "a.gguf"), {}).state_dict().items():
        assert (tensor - before[name]).abs().max() <= near * before[name].abs().max()


def test_a_bf16_folder_comes_back_from_bf16_exactly(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder("qwen3", dtype=torch.bfloat16)
    export_gguf(folder, tmp_path / "a.gguf", "bf16")
    assert same(weights(folder), dict(read_model(GgufFile(tmp_path / "a.gguf"), {}).state_dict()))


READABLE = [kind for kind in GGMLQuantizationType if kind in gguf.quants._type_traits]


@pytest.mark.parametrize("kind", READABLE, ids=lambda kind: kind.name)
def test_every_quantized_type_of_the_gguf_package_is_read(tmp_path: Path, kind: GGMLQuantizationType) -> None:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    stored = np.random.default_rng(0).integers(0, 60, (3, 2 * size), dtype=np.uint8)  # so that halves are finite
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_tensor("x", stored, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    read = GgufFile(tmp_path / "a.gguf").tensor("x")
    assert read.shape == (3, 2 * block)
    assert np.array_equal(read.numpy(), gguf.quants.dequantize(stored, kind))


def test_a_number_beyond_f16_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    entry = Entry("x.weight", (1, 2), GGMLQuantizationType.F16, lambda: torch.tensor([[1.0, 7e4]]))
    with pytest.raises(UserError, match="70000, beyond F16; export --type bf16 or f32"):
        write_gguf(tmp_path / "a.gguf", "llama", {}, [entry])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("modernbert", {}, "for embeddings only, without the head that fills masks"),
        ("llama", {"activation": "gelu"}, "llama.cpp's llama computes silu, not gelu"),
        ("qwen3", {"attention_bias": True}, "neither attention_bias nor rope_scaling"),
        ("qwen3", {"rope_scaling": RopeScaling(8.0, 1.0, 4.0, 16)}, "neither attention_bias nor rope_scaling"),
        ("qwen3", {"vocab_size": 100}, "they do not belong together"),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_refused(
    make_folder: MakeFolder, tmp_path: Path, family: FamilyName, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        export_gguf(make_folder(family, **changes), tmp_path / "a.gguf", "f32")
    assert not (tmp_path / "a.gguf").exists()


def test_an_unknown_type_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no type 'q8_1'; did you mean 'q8_0'"):
        export_gguf(tmp_path, tmp_path / "a.gguf", "q8_1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"general.architecture": "mamba"}, "tumbler runs llama, qwen3, gpt2"),
        ({"llama.block_count": 2}, "'blk.2.attn_k.weight' has no place in the model"),
        ({"llama.block_count": 4}, "'blk.3.attn_norm.weight' is missing"),
        ({"llama.block_count": 2**31}, "num_hidden_layers = 2147483648: must be from 1"),
        ({"llama.embedding_length": 32}, r"has shape \[356, 64\], its metadata asks for \[356, 32\]"),
        ({"llama.attention.head_count": 0}, "must be from 1"),
        ({"llama.attention.head_count_kv": 3}, "cannot share 3 key-value heads"),
        ({"llama.rope.dimension_count": 8}, "rope.dimension_count = 8: tumbler's model knows only 16"),
        ({"llama.rope.scaling.type": "yarn"}, "rope.scaling.type = 'yarn': a setting"),
        ({"llama.expert_count": 8}, "expert_count = 8: a setting"),
        ({"llama.attention.layer_norm_rms_epsilon": "x"}, "must be a number above 0"),
        ({"llama.embedding_length": None}, "embedding_length = None: must be a whole number"),
    ],
)
def test_a_file_whose_metadata_do_not_fit_is_refused(
    make_folder: MakeFolder, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    export_gguf(make_folder("llama"), tmp_path / "a.gguf", "f32")
    file = GgufFile(tmp_path / "a.gguf")
    file.metadata = {key: value for key, value in {**file.metadata, **changes}.items() if value is not None}
    with pytest.raises(UserError, match=message):
        read_model(file, {})


def test_a_rope_scaling_that_is_not_llama_3s_is_refused(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder("llama", rope_scaling=RopeScaling(8.0, 1.0, 2.0, 16))
    export_gguf(folder, tmp_path / "a.gguf", "f32")
    with pytest.raises(UserError, match="not the RoPE scaling of Llama 3"):
        read_model(GgufFile(tmp_path / "a.gguf"), {})
