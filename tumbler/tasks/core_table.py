"""The 22 tasks of CORE (DataComp-LM, arXiv 2406.11794, section 3.5), as DCLM's repository runs them.

Sources, of github.com/mlfoundations/dclm: which tasks, `eval/additional_aggregation.json` ("low_variance_datasets");
files, kinds, shots and delimiters, `eval/heavy.yaml`; what guessing reaches, `eval/eval_meta_data_v1.csv`. The files
are those of MosaicML's evaluation gauntlet (github.com/mosaicml/llm-foundry, scripts/eval/local_data).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["multiple_choice", "schema", "language_modeling"]
"""What a model chooses: a continuation of one context, a context of one continuation, or freely, the next ids."""


@dataclass(frozen=True)
class TaskSpec:
    """How a set of examples is asked."""

    label: str
    file: str
    """JSONL, its path from the folder of all sets on."""
    kind: Kind
    shots: int
    """Solved examples that stand before each question."""
    baseline: float
    """The accuracy of guessing, 0 to 1."""
    delimiter: str = " "
    """Between a context and its continuation."""


MC: Final = "multiple_choice"
SCHEMA: Final = "schema"
LM: Final = "language_modeling"
ANSWER: Final = "\nAnswer: "

CORE_TASKS: Final[tuple[TaskSpec, ...]] = (
    TaskSpec("hellaswag_zeroshot", "language_understanding/hellaswag.jsonl", MC, 0, 0.25),
    TaskSpec("jeopardy", "world_knowledge/jeopardy_all.jsonl", LM, 10, 0.0, ANSWER),
    TaskSpec("bigbench_qa_wikidata", "world_knowledge/bigbench_qa_wikidata.jsonl", LM, 10, 0.0),
    TaskSpec("arc_easy", "world_knowledge/arc_easy.jsonl", MC, 10, 0.25, ANSWER),
    TaskSpec("arc_challenge", "world_knowledge/arc_challenge.jsonl", MC, 10, 0.25, ANSWER),
    TaskSpec("copa", "commonsense_reasoning/copa.jsonl", MC, 0, 0.5),
    TaskSpec("commonsense_qa", "commonsense_reasoning/commonsense_qa.jsonl", MC, 10, 0.2),
    TaskSpec("piqa", "commonsense_reasoning/piqa.jsonl", MC, 10, 0.5, ANSWER),
    TaskSpec("openbook_qa", "commonsense_reasoning/openbook_qa.jsonl", MC, 0, 0.25),
    TaskSpec("lambada_openai", "language_understanding/lambada_openai.jsonl", LM, 0, 0.0),
    TaskSpec("hellaswag", "language_understanding/hellaswag.jsonl", MC, 10, 0.25),
    TaskSpec("winograd", "language_understanding/winograd_wsc.jsonl", SCHEMA, 0, 0.5),
    TaskSpec("winogrande", "language_understanding/winogrande.jsonl", SCHEMA, 0, 0.5),
    TaskSpec("bigbench_dyck_languages", "symbolic_problem_solving/bigbench_dyck_languages.jsonl", LM, 10, 0.0),
    TaskSpec("agi_eval_lsat_ar", "symbolic_problem_solving/agi_eval_lsat_ar.jsonl", MC, 3, 0.2),
    TaskSpec("bigbench_cs_algorithms", "symbolic_problem_solving/bigbench_cs_algorithms.jsonl", LM, 10, 0.0),
    TaskSpec("bigbench_operators", "symbolic_problem_solving/bigbench_operators.jsonl", LM, 10, 0.0),
    TaskSpec("bigbench_repeat_copy_logic", "symbolic_problem_solving/bigbench_repeat_copy_logic.jsonl", LM, 10, 0.0),
    TaskSpec("squad", "reading_comprehension/squad.jsonl", LM, 10, 0.0),
    TaskSpec("coqa", "reading_comprehension/coqa.jsonl", LM, 0, 0.0),
    TaskSpec("boolq", "reading_comprehension/boolq.jsonl", MC, 10, 0.62, ANSWER),
    TaskSpec(
        "bigbench_language_identification",
        "language_understanding/bigbench_language_identification.jsonl",
        MC,
        10,
        0.091,
    ),
)
