"""Quantized weights: near the real ones, read as compressed-tensors reads them, refused where they do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from tumbler.cli import app
from tumbler.engine import Request, Sampler, Sampling
from tumbler.errors import UserError
from tumbler.model import load_model
from tumbler.model.quantized import Scheme, dequantize, quantize

MakeFolder = Callable[..., Path]
SCHEMES: tuple[Scheme, ...] = ("int8", "int4")


def tumbler(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@given(seed=st.integers(0, 99), rows=st.integers(1, 9), groups=st.integers(1, 4), scheme=st.sampled_from(SCHEMES))
def test_no_weight_moves_by_more_than_half_a_level(seed: int, rows: int, groups: int, scheme: Scheme) -> None:
    weight = torch.randn(rows, 32 * groups, generator=torch.Generator().manual_seed(seed))
    weight[0] = 0
    again = dequantize(quantize(weight, scheme, 32))
    grouped = weight[:, None] if scheme == "int8" else weight.unflatten(1, (-1, 32))
    step = grouped.abs().amax(-1, keepdim=True) / (127 if scheme == "int8" else 7)
    assert (again.view(grouped.shape) - grouped).abs().le(step / 2 + 1e-6).all()
    parts = quantize(again, scheme, 32)
    assert torch.allclose(dequantize(parts), again, atol=1e-6)


@pytest.fixture(params=SCHEMES)
def folders(request: pytest.FixtureRequest, make_folder: MakeFolder, tmp_path: Path) -> tuple[Path, Path, Scheme]:
    """A model, and what `tumbler quantize` makes of it."""
    folder = make_folder("llama", hidden_size=64, intermediate_size=128)
    out = tmp_path / "small"
    done = tumbler("quantize", str(folder), "--to", request.param, "--out", str(out))
    assert done.exit_code == 0, done.output
    return folder, out, request.param


def test_transformers_reads_the_same_numbers(folders: tuple[Path, Path, Scheme]) -> None:
    pytest.importorskip("compressed_tensors")
    from transformers import AutoModelForCausalLM

    _, out, scheme = folders
    theirs = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    ours, ids = load_model(out), torch.arange(40)[None]
    with torch.no_grad():
        wanted, found = theirs(ids).logits, ours(ids)
    # Theirs quantizes what enters an 8-bit product too.
    assert (wanted - found).norm() < (0.05 if scheme == "int8" else 1e-4) * wanted.norm()


def test_the_folder_is_smaller_and_its_model_near_the_one_it_was_made_from(folders: tuple[Path, Path, Scheme]) -> None:
    folder, out, scheme = folders
    one, other = load_model(folder), load_model(out)
    for (name, weight), again in zip(one.named_parameters(), other.parameters(), strict=True):
        moved = (weight - again).norm() / weight.norm()
        assert moved <= (0.01 if scheme == "int8" else 0.15), name
        assert (moved > 0) == (weight.ndim == 2 and ".layers." in name)
    prompt = Request(list(range(30)), Sampling(5, temperature=0))
    assert len(Sampler(other, weights="int8").sample([prompt])[0].ids) == 5
    sizes = [sum(file.stat().st_size for file in path.glob("*.safetensors")) for path in (folder, out)]
    assert sizes[1] < sizes[0]


def test_what_is_quantized_already_or_of_another_kind_is_refused(
    folders: tuple[Path, Path, Scheme], make_folder: MakeFolder, tmp_path: Path
) -> None:
    _, out, _ = folders
    refused = ((out, "is quantized already"), (make_folder("gpt2", name="other"), "a gpt2 model; llama and qwen3"))
    for source, error in refused:
        done = tumbler("quantize", str(source), "--out", str(tmp_path / f"of-{source.name}"))
        assert isinstance(done.exception, UserError)
        assert error in str(done.exception)


def test_tensors_and_descriptions_that_do_not_fit_are_refused(folders: tuple[Path, Path, Scheme]) -> None:
    _, out, _ = folders
    weights, config = load_file(out / "model.safetensors"), json.loads((out / "config.json").read_text())
    name = next(name for name in weights if name.endswith(".weight_scale"))
    save_file({**weights, name: weights[name][:-1].contiguous()}, out / "model.safetensors")
    with pytest.raises(UserError, match="do not belong together"):
        load_model(out)
    for change in ({"quant_method": "gptq"}, {"config_groups": {}}, {"format": "float-quantized"}):
        changed = {**config, "quantization_config": {**config["quantization_config"], **change}}
        (out / "config.json").write_text(json.dumps(changed))
        with pytest.raises(UserError, match="quantization_config: tumbler reads compressed-tensors"):
            load_model(out)
