"""Cases for comparing prompts with lm-evaluation-harness: data, task files, settings. Standard library only.

Read by the tests, and by make_prompts.py, which runs where lm-evaluation-harness is installed.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORDS = [
    "the",
    "old",
    "miller",
    "found",
    "seven",
    "red",
    "kites",
    "near",
    "a",
    "quiet",
    "harbour",
    "before",
    "dawn",
    "while",
    "nobody",
    "else",
    "in",
    "town",
    "could",
    "say",
    "why",
    "rain",
    "had",
    "stopped",
    "falling",
    "upon",
    "copper",
    "roofs",
    "so",
    "it's",
    "said",
    "that",
    "every",
    "gate",
    "must",
    "stay",
    "open",
    "until",
    "winter",
    "ends",
]


@dataclass(frozen=True)
class Case:
    """One task, asked one way. theirs: lm-eval's own file below its tasks/, or None: `keys` are the whole task.

    ours: the bundled name. keys: put over both files. shared: the data are the reference inputs, else made up.
    """

    name: str
    ours: str | None
    theirs: str | None
    num_fewshot: int | None = None
    limit: int = 120
    keys: dict[str, Any] = field(default_factory=dict)
    shared: bool = False


NO_TRAIN = {"training_split": None}
SHORT = {
    "dataset_path": "allenai/ai2_arc",
    "dataset_name": "ARC-Challenge",
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "{{question}} ->",
    "doc_to_choice": "{{choices.text}}",
    "doc_to_target": "{{choices.label.index(answerKey)}}",
}
FIRST = {"fewshot_config": {"sampler": "first_n"}}
OWN_EXAMPLES = {
    "fewshot_config": {
        "sampler": "first_n",
        "split": "validation",
        "doc_to_text": "EX {{question}}",
        "doc_to_choice": ["a", "b", "c", "d", "e"],
        "doc_to_target": "{{choices.label.index(answerKey)}}",
        "target_delimiter": " => ",
        "fewshot_delimiter": "\n###\n",
    }
}
SAMPLES = {
    "fewshot_config": {
        "samples": [
            {
                "question": f"Sample {n}",
                "choices": {"text": ["yes", "no"], "label": ["A", "B"]},
                "answerKey": "AB"[n % 2],
            }
            for n in range(4)
        ]
    }
}
LETTERS = {
    "doc_to_text": "{{question}}\n{% for c in choices.text %}{{loop.index0}}) {{c}}\n{% endfor %}Answer",
    "doc_to_choice": ["A", "B", "C", "D", "E"],
    "doc_to_target": "{{'ABCDE'[choices.label.index(answerKey)]}}",
    "target_delimiter": ":",
    "fewshot_delimiter": "\n--\n",
}

CASES: tuple[Case, ...] = (
    *(
        Case(f"arc_challenge {n} shots", "arc_challenge", "arc/arc_challenge.yaml", n, 300, NO_TRAIN, True)
        for n in (0, 3, 5)
    ),
    Case("arc from validation", None, None, 4, 300, {**SHORT, "fewshot_split": "validation"}, True),
    Case("arc from itself", None, None, 3, 1172, {**SHORT, "fewshot_split": "test"}, True),
    Case("arc first from itself", None, None, 5, 120, {**SHORT, "fewshot_split": "test", **FIRST}, True),
    Case("arc split absent", None, None, 3, 120, SHORT, True),
    Case(
        "arc validation only", None, None, 2, 299, {**SHORT, "test_split": None, "validation_split": "validation"}, True
    ),
    Case(
        "arc described",
        None,
        None,
        2,
        120,
        {**SHORT, **NO_TRAIN, "validation_split": "validation", "description": "About {{id}}.\n\n"},
        True,
    ),
    Case(
        "arc column description",
        None,
        None,
        1,
        120,
        {**SHORT, "validation_split": "validation", "description": "id"},
        True,
    ),
    Case("arc own examples", None, None, 3, 120, {**SHORT, **OWN_EXAMPLES}, True),
    Case("arc samples", None, None, 2, 120, {**SHORT, **SAMPLES}, True),
    Case("arc letters", None, None, 3, 120, {**SHORT, **LETTERS, "fewshot_split": "validation"}, True),
    Case("openbookqa 0", "openbookqa", "openbookqa/openbookqa.yaml", 0, 500, shared=True),
    Case("openbookqa 3", "openbookqa", "openbookqa/openbookqa.yaml", 3, 500, shared=True),
    Case("commonsense_qa 0", "commonsense_qa", "commonsense_qa/default.yaml", 0, 300, shared=True),
    Case("commonsense_qa 4", "commonsense_qa", "commonsense_qa/default.yaml", 4, 300, shared=True),
    Case("truthfulqa_mc1", "truthfulqa_mc1", "truthfulqa/truthfulqa_mc1.yaml", None, 817, shared=True),
    Case("hellaswag rows", "hellaswag", "hellaswag/hellaswag.yaml", 0, 1000, {"dataset_path": "real/hellaswag"}, True),
    *(
        Case(f"{ours} {n} made up", ours, theirs, n)
        for ours, theirs in (
            ("arc_easy", "arc/arc_easy.yaml"),
            ("hellaswag", "hellaswag/hellaswag.yaml"),
            ("winogrande", "winogrande/default.yaml"),
            ("piqa", "piqa/piqa.yaml"),
            ("boolq", "super_glue/boolq/default.yaml"),
            ("social_iqa", "siqa/siqa.yaml"),
            ("medqa", "medqa/medqa.yaml"),
            ("mmlu_abstract_algebra", "mmlu/default/mmlu_abstract_algebra.yaml"),
            ("mmlu_us_foreign_policy", "mmlu/default/mmlu_us_foreign_policy.yaml"),
        )
        for n in (0, 3)
    ),
    Case("mmlu 5 made up", "mmlu_abstract_algebra", "mmlu/default/mmlu_abstract_algebra.yaml", 5),
    *(
        Case(f"{ours} {n} made up", ours, theirs, n)
        for ours, theirs, numbers in (
            ("mmlu_pro", "leaderboard/mmlu_pro/mmlu_pro.yaml", (0, 5)),
            (
                "global_mmlu_full_de",
                "global_mmlu/full/de/global_mmlu_full_de_abstract_algebra.yaml",
                (0, 3),
            ),
            ("global_mmlu_full_sw", "global_mmlu/full/sw/global_mmlu_full_sw_abstract_algebra.yaml", (0,)),
            ("include_base_44_albanian", "include/default/Albanian/include_base_44_albanian_stem.yaml", (0,)),
            (
                "include_base_44_north_macedonian",
                "include/default/North Macedonian/include_base_44_north_macedonian_stem.yaml",
                (0,),
            ),
        )
        for n in numbers
    ),
)


def item_hash(requests: Sequence[tuple[str, str]], answer: int) -> str:
    """A hash of one item's prompts and continuations, and of its answer."""
    text = json.dumps([[list(request) for request in requests], answer])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_mirror(folder: Path, shared: Path | None) -> None:
    """Data sets in the public columns' shape, laid out like the hub: made-up rows, and real ones where `shared` is."""
    draw = random.Random(7)

    def text(n: int) -> str:
        return " ".join(draw.choice(WORDS) for _ in range(n))

    def arc(index: int) -> dict[str, Any]:
        labels = list("1234" if index % 9 == 0 else "ABC" if index % 7 == 0 else "ABCD")
        choices = {"text": [text(3) for _ in labels], "label": labels}
        return {"id": f"q{index}", "question": text(9) + "?", "choices": choices, "answerKey": draw.choice(labels)}

    def hellaswag(index: int) -> dict[str, Any]:
        ending = f"{text(4)} [step] {text(3)}  {text(2)} [title] {text(2)}."
        return {
            "ind": index,
            "activity_label": text(2).title(),
            "ctx_a": f" [header] {text(3)} [title] {text(5)}.  [step] {text(4)}.",
            "ctx_b": text(2).upper() if index % 3 else "",
            "ctx": "unused",
            "endings": [ending, f"  {text(5)} ", f"{text(3)} [a] [b] {text(2)}", f"{text(2)} [title]  {text(2)}"],
            "source_id": f"s~{index}",
            "label": str(draw.randrange(4)),
        }

    def winogrande(index: int) -> dict[str, Any]:
        sentence = f"{text(4)} but _ {text(3)}{' _ ' if index % 8 == 0 else ' '}{text(2)}."
        return {"sentence": sentence, "option1": "Ann", "option2": "Bea", "answer": draw.choice("12")}

    def piqa(index: int) -> dict[str, Any]:
        return {"goal": text(5), "sol1": text(4), "sol2": text(4), "label": draw.randrange(2)}

    def boolq(index: int) -> dict[str, Any]:
        return {"question": text(4), "passage": text(15), "idx": index, "label": draw.randrange(2)}

    def social_iqa(index: int) -> dict[str, Any]:
        answers = {f"answer{letter}": text(3) for letter in "ABC"}
        return {"context": text(6) + ".", "question": text(4) + "?", **answers, "label": draw.choice("123")}

    def medqa(index: int) -> dict[str, Any]:
        endings = {f"ending{n}": text(2) for n in range(4)}
        return {"id": f"train-{index:05d}", "sent1": text(12) + "?", "sent2": "", **endings, "label": draw.randrange(4)}

    def mmlu(index: int) -> dict[str, Any]:
        choices = [text(2) for _ in range(4)]
        return {"question": f" {text(6)}\n", "subject": "s", "choices": choices, "answer": draw.randrange(4)}

    def mmlu_pro(index: int) -> dict[str, Any]:
        options = [text(2) for _ in range(10 - index % 8)]
        answer = draw.randrange(len(options))
        about = {"category": "law", "src": "s", "cot_content": "A: so."}
        asked = {"question_id": index, "question": text(7) + "?", "options": options}
        return {**asked, "answer": "ABCDEFGHIJ"[answer], "answer_index": answer, **about}

    def four_options() -> dict[str, Any]:
        return {"question": f"  {text(6)}?\n", **{f"option_{letter}": f" {text(2)}" for letter in "abcd"}}

    def global_mmlu(index: int) -> dict[str, Any]:
        about = {
            "sample_id": f"abstract_algebra/test/{index}",
            "subject": "abstract_algebra",
            "subject_category": "STEM",
        }
        return {**about, **four_options(), "answer": draw.choice("ABCD"), "country": None, "is_annotated": False}

    def include(index: int) -> dict[str, Any]:
        about = {"language": "x", "country": "y", "domain": "STEM", "subject": "Math", "level": "Academic"}
        return {**about, "regional_feature": "agnostic", **four_options(), "answer": index % 4}

    usual = {"train": 60, "validation": 130}
    tested = {"train": 60, "validation": 20, "test": 130}
    for path, config, make, sizes in (
        ("allenai/ai2_arc", "ARC-Easy", arc, tested),
        ("Rowan/hellaswag", "default", hellaswag, usual),
        ("allenai/winogrande", "winogrande_xl", winogrande, usual),
        ("baber/piqa", "default", piqa, usual),
        ("aps/super_glue", "boolq", boolq, usual),
        ("lighteval/siqa", "default", social_iqa, usual),
        ("GBaker/MedQA-USMLE-4-options-hf", "default", medqa, tested),
        ("cais/mmlu", "abstract_algebra", mmlu, {"dev": 5, "test": 130}),
        ("cais/mmlu", "us_foreign_policy", mmlu, {"dev": 5, "test": 130}),
        ("TIGER-Lab/MMLU-Pro", "default", mmlu_pro, {"validation": 70, "test": 130}),
        ("CohereForAI/Global-MMLU", "de", global_mmlu, {"dev": 5, "test": 130}),
        ("CohereForAI/Global-MMLU", "sw", global_mmlu, {"dev": 5, "test": 130}),
        ("CohereForAI/include-base-44", "Albanian", include, {"test": 130}),
        ("CohereForAI/include-base-44", "North Macedonian", include, {"test": 130}),
    ):
        splits = {split: [make(index) for index in range(n)] for split, n in sizes.items()}
        _write_dataset(folder / path, config, splits)
    if shared is not None:
        rows = json.loads((shared / "data" / "hellaswag" / "dev.json").read_text(encoding="utf-8"))
        real = [_hellaswag_columns(row) for row in rows]
        _write_dataset(folder / "real" / "hellaswag", "default", {"train": real[:5], "validation": real})


def _hellaswag_columns(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the shared file (question, choices A-D, answer) in the columns of the public data set."""
    head, _, tail = row["question"].rpartition(". ")
    return {
        "activity_label": str(row["domain"]),
        "ctx_a": head,
        "ctx_b": tail,
        "endings": list(row["choices"].values()),
        "label": str("ABCD".index(row["answer"])),
    }


def _write_dataset(folder: Path, config: str, splits: dict[str, list[dict[str, Any]]]) -> None:
    (folder / config).mkdir(parents=True)
    for split, rows in splits.items():
        (folder / config / f"{split}.jsonl").write_text(_lines(rows), encoding="utf-8")
    readme = folder / "README.md"
    known = readme.read_text().removesuffix("---\n") if readme.exists() else "---\nconfigs:\n"
    entry = f"- config_name: {config}\n  data_files:\n"
    entry += "".join(f"  - split: {split}\n    path: {config}/{split}.jsonl\n" for split in splits)
    readme.write_text(known + entry + "---\n")


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
