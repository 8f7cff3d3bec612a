"""Model folders: they come back bit for bit, and one from outside that is wrong is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from model_families import FAMILIES, LLAMA3, random_weights, small_config
from safetensors.torch import load_file, save_file

from tumbler.errors import UserError
from tumbler.model import FamilyName, load_model, save_model

INDEX = "model.safetensors.index.json"


def saved(folder: Path, family: FamilyName = "qwen3", **options: Any) -> Path:
    save_model(random_weights(small_config(family)), folder, torch.float32, **options)
    return folder


def edited(folder: Path, **changes: Any) -> Path:
    """config.json with some fields changed."""
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return folder


@pytest.mark.parametrize("shard_bytes", [10**9, 60_000])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_loads_bit_for_bit_and_saves_the_same_bytes(
    tmp_path: Path, family: FamilyName, shard_bytes: int
) -> None:
    model = random_weights(small_config(family))
    save_model(model, tmp_path / "a", torch.float32, shard_bytes=shard_bytes)
    again = load_model(tmp_path / "a")
    save_model(again, tmp_path / "b", torch.float32, shard_bytes=shard_bytes)
    assert again.config == model.config
    assert all(torch.equal(p, again.state_dict()[name]) for name, p in model.state_dict().items())
    assert all((tmp_path / "b" / f.name).read_bytes() == f.read_bytes() for f in (tmp_path / "a").iterdir())


def test_shards_are_no_larger_than_asked_and_all_are_in_the_index(tmp_path: Path) -> None:
    saved(tmp_path, shard_bytes=60_000)
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    index = json.loads((tmp_path / INDEX).read_text())
    tensors = {name: shard.name for shard in shards for name in load_file(shard)}
    assert index["weight_map"] == tensors
    assert shards[-1].name == f"model-{len(shards):05d}-of-{len(shards):05d}.safetensors"
    assert index["metadata"]["total_size"] == sum(t.nbytes for shard in shards for t in load_file(shard).values())
    for shard in shards:
        held = load_file(shard)
        assert len(held) == 1 or sum(tensor.nbytes for tensor in held.values()) <= 60_000


def test_a_save_leaves_no_weights_of_an_earlier_one(tmp_path: Path) -> None:
    for options in ({}, {"shard_bytes": 60_000}, {"shard_bytes": 100_000}, {}):
        saved(tmp_path, "llama", **options)
        files = {path.name for path in tmp_path.glob("model*")}
        if not options:
            assert files == {"model.safetensors"}
        else:
            named = set(json.loads((tmp_path / INDEX).read_text())["weight_map"].values())
            assert files == named | {INDEX}


def test_a_tied_head_may_be_stored_twice_but_not_be_another(tmp_path: Path) -> None:
    file = saved(tmp_path, "gpt2") / "model.safetensors"
    tensors = load_file(file)
    assert "lm_head.weight" not in tensors
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone()
    save_file(tensors, file)
    assert load_model(tmp_path).config.tie_word_embeddings
    tensors["lm_head.weight"][3, 3] += 1
    save_file(tensors, file)
    with pytest.raises(UserError, match=r"'lm_head\.weight' is not 'transformer\.wte\.weight'"):
        load_model(tmp_path)


def test_openais_own_names_and_mask_buffers_are_read(tmp_path: Path) -> None:
    """The first GPT-2 checkpoints have no prefix and hold each layer's causal mask."""
    file = saved(tmp_path, "gpt2") / "model.safetensors"
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in load_file(file).items()}
    for layer in range(3):
        tensors[f"h.{layer}.attn.bias"] = torch.ones(64, 64).tril()[None, None]
    before = load_model(tmp_path).state_dict()
    save_file(tensors, file)
    assert all(torch.equal(tensor, before[name]) for name, tensor in load_model(tmp_path).state_dict().items())


NEWER = ("rope_parameters", "layer_types", "dtype")
OLDER = ("rope_theta", "rope_scaling", "torch_dtype", "global_rope_theta", "local_rope_theta")


@pytest.mark.parametrize("unknown", [NEWER, (*OLDER, "global_attn_every_n_layers")])
def test_the_spellings_of_transformers_4_or_5_alone_are_enough(tmp_path: Path, unknown: tuple[str, ...]) -> None:
    for config in (*map(small_config, FAMILIES), small_config("llama", rope_scaling=LLAMA3, rope_theta=5e5)):
        save_model(random_weights(config), tmp_path, torch.float32)
        told = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({k: v for k, v in told.items() if k not in unknown}))
        assert load_model(tmp_path).config == config


def test_rotations_that_old_llamas_were_saved_with_are_no_weights(tmp_path: Path) -> None:
    file = saved(tmp_path, "llama") / "model.safetensors"
    extra = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}
    save_file({**load_file(file), **extra}, file)
    assert load_model(tmp_path).config.family == "llama"


CROSSED = {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1}


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("qwen3", {"architectures": ["EvilForCausalLM"]}, "tumbler runs Qwen3ForCausalLM, LlamaForCausalLM,"),
        ("qwen3", {"architectures": None, "model_type": "evil"}, "architectures = None: tumbler runs"),
        ("qwen3", {"attention_bias": True}, "'model.layers.0.self_attn.q_proj.bias' is missing"),
        ("qwen3", {"attention_bias": 1}, "attention_bias = 1: must be true or false"),
        ("qwen3", {"num_hidden_layers": 4}, "'model.layers.3.input_layernorm.weight' is missing"),
        ("qwen3", {"num_hidden_layers": 2}, "'model.layers.2.input_layernorm.weight' has no place in the model"),
        ("qwen3", {"num_hidden_layers": 10**12}, "num_hidden_layers = 1000000000000: must be from 1 to 1,024"),
        ("qwen3", {"vocab_size": 90_000_000}, r"has shape \[96, 64\], config.json asks for \[90000000, 64\]"),
        ("qwen3", {"vocab_size": 10**18}, "vocab_size = 1000000000000000000: must be from 1 to"),
        ("qwen3", {"head_dim": 2**28}, "4 heads of head_dim 268435456: together at most"),
        ("qwen3", {"head_dim": "32"}, "head_dim = '32': must be a whole number"),
        ("qwen3", {"head_dim": 7}, "head_dim = 7: must be even"),
        ("qwen3", {"hidden_size": 0}, "hidden_size = 0: must be from 1 to"),
        ("qwen3", {"num_key_value_heads": 3}, "4 attention heads cannot share 3 key-value heads"),
        ("qwen3", {"hidden_act": "relu2"}, "hidden_act = 'relu2': tumbler knows silu, gelu"),
        ("qwen3", {"hidden_act": ["silu"]}, "hidden_act = .'silu'.: tumbler knows"),
        ("qwen3", {"use_sliding_window": True}, "use_sliding_window = True: tumbler's model knows only False"),
        ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "knows only 'full_attention' layers"),
        ("qwen3", {"rms_norm_eps": float("inf")}, "rms_norm_eps = inf: must be a number above 0"),
        ("qwen3", {"rms_norm_eps": float("nan")}, "rms_norm_eps = nan: must be a number above 0"),
        ("qwen3", {"rope_theta": -1, "rope_parameters": None}, "rope_theta = -1: must be a number above 0"),
        ("qwen3", {"rope_parameters": {"rope_type": "yarn"}}, "rope_type = 'yarn': tumbler knows 'default' and 'llama"),
        ("qwen3", {"rope_scaling": [1]}, r"rope_scaling = \[1\]: must be an object"),
        ("qwen3", {"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5: tumbler's model knows only 1.0"),
        ("qwen3", {"rope_parameters": {"mrope_section": [1]}}, "'mrope_section' is no setting of rope_type 'default'"),
        ("qwen3", {"is_causal": False}, "is_causal = False: tumbler's model knows only True"),
        ("qwen3", {"quantization_config": {"bits": 4}}, "quantization_config: tumbler reads"),
        ("qwen3", {"eos_token_id": [1, "2"]}, "eos_token_id = '2': must be a whole number"),
        ("llama", {"rope_scaling": CROSSED}, "low_freq_factor = 4.0: must be below high_freq_factor = 1.0"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "tumbler's model knows only False"),
        ("gpt2", {"n_head": 0}, "num_attention_heads = 0: must be from 1"),
        ("gpt2", {"n_head": 5}, "5 heads, 5 key-value heads of 12, hidden_size 64: gpt2 has"),
        ("gpt2", {"n_inner": 64}, r"has shape \[64, 112\], config.json asks for \[64, 64\]"),
        ("modernbert", {"layer_types": ["full_attention"] * 4}, "layer_types does not fit num_hidden_layers = 5"),
        ("modernbert", {"layer_types": 7}, "layer_types does not fit num_hidden_layers = 5"),
        ("modernbert", {"classifier_bias": True}, "classifier_bias = True: tumbler's model knows only False"),
        ("modernbert", {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "rope_type = 'yarn'"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, family: FamilyName, changes: dict[str, Any], message: str
) -> None:
    edited(saved(tmp_path, family), **changes)
    with pytest.raises(UserError, match=message) as refused:
        load_model(tmp_path)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path))


def test_a_config_that_is_no_object_is_refused(tmp_path: Path) -> None:
    for text in ("[]", "{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "\udcff"):
        (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(UserError, match=r"config\.json: not"):
            load_model(tmp_path)


def drop(tensors: dict[str, Any]) -> None:
    del tensors["model.norm.weight"]


def reshape(tensors: dict[str, Any]) -> None:
    tensors["model.norm.weight"] = tensors["model.norm.weight"][:-1].clone()


def add(tensors: dict[str, Any]) -> None:
    tensors["model.backdoor"] = torch.ones(3)


def quantize(tensors: dict[str, Any]) -> None:
    tensors["model.norm.weight"] = tensors["model.norm.weight"].to(torch.int8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, "'model.norm.weight' is missing; config.json asks for it"),
        (reshape, r"'model.norm.weight' has shape \[63\], config.json asks for \[64\]"),
        (add, "'model.backdoor' has no place in the model of config.json"),
        (quantize, "'model.norm.weight' is I8: tumbler reads F64, F32, F16, BF16"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    file = saved(tmp_path) / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)
    with pytest.raises(UserError, match=message):
        load_model(tmp_path)


def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    header = {"model.norm.weight": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    text = json.dumps(header).encode()
    (saved(tmp_path) / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(64))
    with pytest.raises(UserError, match=r"model\.safetensors: cannot be read as safetensors"):
        load_model(tmp_path)


def test_a_damaged_or_missing_weights_file_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04pickle?")
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        load_model(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"has no model\.safetensors"):
        load_model(tmp_path)


def test_a_pickle_is_refused_and_never_opened(tmp_path: Path) -> None:
    (saved(tmp_path) / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(UserError, match=r"a pickle \(pytorch_model.bin\), which can run code when read"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({"a": "../secret.safetensors"}, "must be a safetensors file of the folder itself"),
        ({"a": "/etc/passwd"}, "must be a safetensors file of the folder itself"),
        ({"a": "model.bin"}, "must be a safetensors file of the folder itself"),
        ({"a": "model-00007-of-00007.safetensors"}, "names model-00007-of-00007.safetensors, which is not there"),
        ({"a": 3}, "weight_map must give the file of each tensor"),
        ({}, "weight_map must give the file of each tensor"),
        ([], "weight_map must give the file of each tensor"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(tmp_path: Path, weight_map: Any, message: str) -> None:
    saved(tmp_path / "model", shard_bytes=60_000)
    (tmp_path / "model" / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    (tmp_path / "secret.safetensors").write_bytes(b"secret")
    with pytest.raises(UserError, match=message):
        load_model(tmp_path / "model")


def test_a_tensor_in_two_shards_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, shard_bytes=60_000)
    first, second = sorted(tmp_path.glob("model-*"))[:2]
    save_file({**load_file(first), **load_file(second)}, second)
    with pytest.raises(UserError, match="stands in model-00001-of"):
        load_model(tmp_path)
