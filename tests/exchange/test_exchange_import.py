"""`tumbler import`: what comes in is whole, known by its origin, and answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from model_families import FAMILIES
from typer.testing import CliRunner, Result

from tumbler.artifact import Artifact, open_outside
from tumbler.cli import app
from tumbler.errors import UserError
from tumbler.exchange import stage
from tumbler.exchange.export import export_gguf
from tumbler.exchange.folder_reader import stated_licence
from tumbler.executor import Executor
from tumbler.model import FamilyName, load_model, save_model
from tumbler.pipeline import run_step
from tumbler.recipe import Step
from tumbler.text.tokenizer import Tokenizer

MakeFolder = Callable[..., Path]
CARD = "---\nlanguage: en\nlicense: apache-2.0  \n---\n# A model\nlicense: mit\n"


def bring(source: Path, out: Path, dtype: str | None = None) -> Artifact:
    hugging_face = source.is_dir()
    settings = stage.HuggingFaceSettings() if hugging_face else stage.GgufSettings(dtype=dtype or "float32")  # type: ignore[arg-type]
    run = stage.import_hugging_face if hugging_face else stage.import_gguf
    step = Step("import", "import", (), settings)
    return run_step(step, [open_outside(source)], out, Executor(1), run).artifact


def tumbler(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_comes_in_byte_for_byte(make_folder: MakeFolder, tmp_path: Path, family: FamilyName) -> None:
    folder = make_folder(family, dtype=torch.bfloat16)
    (folder / "README.md").write_text(CARD)
    (folder / "LICENSE.txt").write_text("terms")
    (folder / "modeling.py").write_text("import os")
    (folder / "optimizer.pt").write_bytes(b"pickle")
    made = bring(folder, tmp_path / "out")
    kept = {path.name for path in folder.iterdir()} - {"README.md", "modeling.py", "optimizer.pt"}
    assert all((made.path / name).read_bytes() == (folder / name).read_bytes() for name in kept)
    assert (made.path / "README.source.md").read_text() == CARD
    assert "license: apache-2.0\n" in (made.path / "README.md").read_text()
    assert {path.name for path in made.path.iterdir()} == kept | {
        "README.md",
        "README.source.md",
        "plan.json",
        "manifest.json",
    }
    assert (made.kind, made.manifest["licences"], made.facts["family"]) == ("checkpoint", ["apache-2.0"], family)
    assert made.manifest["inputs"][0]["digest"] == open_outside(folder).digest


def test_equal_sources_give_equal_digests_and_a_rerun_does_nothing(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder("qwen3")
    first, second = bring(folder, tmp_path / "a"), bring(folder, tmp_path / "b")
    assert first.digest == second.digest
    assert bring(folder, tmp_path / "a").manifest == first.manifest
    with pytest.raises(UserError, match="begun under another plan"):
        bring(make_folder("llama", "other"), tmp_path / "a")


def test_an_import_that_was_killed_goes_on(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder("qwen3")
    digest = bring(folder, tmp_path / "a").digest
    (tmp_path / "a" / "manifest.json").unlink()
    (tmp_path / "a" / "model.safetensors").rename(tmp_path / "a" / "model.safetensors.1234.tmp")
    assert bring(folder, tmp_path / "a").digest == digest


def test_shards_come_in_too(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder("llama")
    model = load_model(folder)
    save_model(model, folder, torch.float32, shard_bytes=100_000)
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    again = load_model(bring(folder, tmp_path / "out").path)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_gguf_file_becomes_a_folder_with_its_own_tokenizer(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder("qwen3")
    (folder / "README.md").write_text(CARD)
    export_gguf(folder, tmp_path / "model.gguf", "f32")
    made = bring(tmp_path / "model.gguf", tmp_path / "out")
    before, after = load_model(folder), load_model(made.path)
    assert after.config == before.config
    assert all(torch.equal(tensor, after.state_dict()[name]) for name, tensor in before.state_dict().items())
    ours, again = Tokenizer.load(folder), Tokenizer.load(made.path)
    assert (again.special, again.roles) == (ours.special, ours.roles)
    assert again.encode("the cat <|end|> 123 über 🌳") == ours.encode("the cat <|end|> 123 über 🌳")
    assert (made.path / "chat_template.jinja").read_bytes() == (folder / "chat_template.jinja").read_bytes()
    assert made.manifest["licences"] == ["apache-2.0"]


def test_a_gguf_file_comes_in_as_the_dtype_asked_for(make_folder: MakeFolder, tmp_path: Path) -> None:
    export_gguf(make_folder("gpt2"), tmp_path / "model.gguf", "f32")
    made = bring(tmp_path / "model.gguf", tmp_path / "out", "bfloat16")
    assert json.loads((made.path / "config.json").read_text())["dtype"] == "bfloat16"


def test_a_folder_that_is_no_whole_model_leaves_nothing_finished(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder("qwen3", vocab_size=100)
    with pytest.raises(UserError, match="the tokenizer has ids up to 355, the model 100 rows"):
        bring(folder, tmp_path / "a")
    assert not list(tmp_path.glob("a/*.safetensors"))
    shutil.copy(folder / "model.safetensors", folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="pickle"):
        bring(folder, tmp_path / "b")
    (folder / "tokenizer.json").unlink()
    assert not list(tmp_path.glob("*/manifest.json"))


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        (CARD, "apache-2.0"),
        ("---\nlicense: other\nlicense_name: llama3.2\n---\n", "llama3.2"),
        ('---\nlicense: "mit"\n---\n', "mit"),
        ("---\nlicense:\n- mit\n---\n", None),
        ("# no front matter\nlicense: mit\n", None),
        (None, None),
    ],
)
def test_the_licence_is_what_the_front_matter_states(tmp_path: Path, card: str | None, licence: str | None) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert stated_licence(tmp_path) == licence


def test_the_verbs_go_all_the_way_round(make_folder: MakeFolder, tmp_path: Path) -> None:
    one, two, file = (str(tmp_path / name) for name in ("one", "two", "model.gguf"))
    assert tumbler("import", "hf", str(make_folder("llama")), "--out", one).exit_code == 0
    told = tumbler("export", "gguf", one, "--out", file, "--type", "f32")
    assert told.output.split() == [file, f"{Path(file).stat().st_size:,}", "bytes"]
    assert tumbler("import", "gguf", file, "--out", two).exit_code == 0
    said = [tumbler("generate", folder, "the cat", "--seed", "1", "--max-tokens", "8").output for folder in (one, two)]
    assert said[0] == said[1] != ""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("import", "hf", "/nowhere"), "/nowhere: no such step, file or folder"),
        (("import", "hf", __file__), "no such folder"),
        (("import", "gguf", __file__), "no GGUF file"),
        (("import", "gguf", str(Path(__file__).parent)), "no GGUF file"),
        (("import", "gguf", __file__, "--dtype", "int4"), "dtype = 'int4'"),
        (("export", "gguf", "/nowhere"), "/nowhere"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: tuple[str, ...], line: str) -> None:
    mistake = tumbler(*arguments, "--out", str(tmp_path / "out")).exception
    assert isinstance(mistake, UserError)
    assert line in str(mistake)
    assert "\n" not in str(mistake)
