"""The real inputs that are mutated: files of tests/saved and of the package, and small ones that its code writes."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.forms import unpacked
from tests.fuzz.mutate import Sample
from tests.made_scores import made_scores

ROOT = Path(__file__).resolve().parents[2]
SAVED = ROOT / "tests" / "saved"
IMPORTED = SAVED / "import"
HARNESS = SAVED / "lm_eval_logs"


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def _cut(path: Path, n_lines: int) -> bytes:
    """The first lines of a file: mutated inputs are to be read in a millisecond."""
    return b"".join(path.read_bytes().splitlines(keepends=True)[:n_lines])


def task_files() -> list[Sample]:
    """Task files with all that they may say, each with its documents beside it."""
    rows = _cut(ROOT / "tasks" / "words.jsonl", 6)
    shots = _cut(ROOT / "tasks" / "words.train.jsonl", 4)
    beside = (
        ("rows.jsonl", rows),
        ("shots.jsonl", shots),
        ("_part.yaml", b"num_fewshot: 1\nfewshot_delimiter: '\\n'\n"),
    )
    own = (ROOT / "tasks" / "words.yaml").read_text("utf-8").replace("words.jsonl", "rows.jsonl")
    full = (
        "task: full\ninclude: _part.yaml\ndataset_path: rows.jsonl\ntest_split: test\noutput_type: multiple_choice\n"
        "tag: [one, two]\ndescription: 'About {{ question | length }}.'\ndoc_to_text: '{{ question }}'\n"
        "doc_to_choice: '{{ choices }}'\ndoc_to_target: answer\ntarget_delimiter: ' '\nscoring: cloze\n"
        "gen_prefix: 'It is'\ndoc_to_id: id\ndoc_to_level: '{{ level }}'\nfilter_list:\n  - name: none\n"
        "    filter: [{function: take_first}]\nmetric_list: [{metric: acc, aggregation: mean}]\n"
        "fewshot_config: {sampler: first_n, samples: [{question: q, choices: [a, b], answer: 0}]}\n"
        "repeats: 1\nmetadata: {version: 1.0, description: made}\ngeneration_kwargs: {until: []}\n"
    )
    group = (
        "group: several\ntask:\n  - task: inner\n    dataset_path: rows.jsonl\n    test_split: test\n"
        "    doc_to_text: '{{ question }}'\n    doc_to_choice: choices\n    doc_to_target: answer\n"
        "  - words\noutput_type: multiple_choice\nnum_fewshot: 0\naggregate_metric_list: [{metric: acc}]\n"
    )
    letters = (HARNESS / "tasks" / "letters.yaml").read_text("utf-8")
    letters = letters.replace("letters.jsonl", "rows.jsonl").replace("letters.train.jsonl", "shots.jsonl")
    texts = [own, full, full, group, group]
    samples = [Sample("task.yaml", text.encode(), "yaml", beside) for text in texts]
    return samples * 8 + [Sample("task.yaml", letters.encode(), "yaml", beside)]  # what `datasets` reads is slow


def task_rows() -> list[Sample]:
    """Documents, as JSON lines and as a JSON list, with a task file beside them."""
    task = (
        "task: rows\ndataset_path: {file}\ntest_split: test\noutput_type: multiple_choice\n"
        "doc_to_text: '{{{{ question }}}}'\ndoc_to_choice: choices\ndoc_to_target: answer\ndoc_to_level: level\n"
        "doc_to_group: topic\ndoc_to_id: id\n"
    )
    rows = [json.loads(line) for line in _cut(ROOT / "tasks" / "words.jsonl", 6).splitlines()]
    rows = [{**row, "level": i % 3, "topic": "abc"[i % 3]} for i, row in enumerate(rows)]
    lines = b"".join(_dumped(row) + b"\n" for row in rows)
    return [
        Sample("rows.jsonl", lines, "jsonl", (("task.yaml", task.format(file="rows.jsonl").encode()),)),
        Sample("rows.json", _dumped(rows), "json", (("task.yaml", task.format(file="rows.json").encode()),)),
    ]


@lru_cache(maxsize=1)
def scores_made() -> tuple[Any, ...]:
    """Scores of every kind: with option mass, unconditional, groups, levels, a prompt's format, thoughts."""
    from calibaudit.scores.prompt_format import PromptFormat
    from calibaudit.scores.thinking import Thinking, Thoughts

    n = 5
    prompt = PromptFormat("0" * 16, system="Be brief.", n_fewshot=2, multiturn=True)
    grouped = made_scores(n, task="grouped", groups=tuple("aabbc"), levels=(0, 1, 2, None, 1), prompt=prompt)
    letter = made_scores(n, task="letter", scoring="letter", option_mass=np.linspace(0.5, 1.0, n), n_truncated=1)
    unconditional = made_scores(n).logprobs - 1.0
    pmi = made_scores(n, task="pmi", scoring="pmi", unconditional=unconditional)
    thoughts = Thoughts(Thinking(16), n, 1, 0, 7.5, made_scores(n, seed=3).logprobs)
    thought = made_scores(n, task="thought", thinking=thoughts, chat_template=True)
    return grouped, letter, pmi, thought


@lru_cache(maxsize=1)
def audited() -> dict[str, Any]:
    """The result of one model, as `score` saves it, with its scores."""
    from calibaudit.analysis.audit import audit_model
    from calibaudit.report.result_json import audit_dict

    scores = scores_made()
    return {**audit_dict(audit_model(scores)), "scores": [part.to_dict() for part in scores]}


def score_files() -> list[Sample]:
    whole = audited()
    parts = [
        _dumped({**{k: whole[k] for k in ("schema_version", "model")}, "scores": [one]}) for one in whole["scores"]
    ]
    older = json.loads((SAVED / "v0.1.0" / "scores.json").read_bytes())
    older = {key: older[key] for key in ("schema_version", "model", "scores")}
    return [Sample("scores.json", content, "json") for content in [*parts, *parts, *parts, _dumped(older)]]


def baselines() -> list[Sample]:
    from calibaudit.scores.baseline import bless

    parts = [bless([part]) for part in scores_made()]
    older = (SAVED / "v0.1.0" / "baseline.json").read_text("utf-8")
    return [Sample("baseline.json", text.encode(), "json") for text in [*parts, *parts, older]]


def results() -> list[Sample]:
    """What `report` reads: of one model, of two, a gate's, a repair; small ones of today, whole ones of version 0.1."""
    from calibaudit.analysis.compare import compare
    from calibaudit.gating import gate
    from calibaudit.report.result_json import comparison_dict

    before = [made_scores(5), made_scores(4, task="other")]
    after = [made_scores(5, heat=2.0), made_scores(4, task="other", heat=2.0)]
    comparison = comparison_dict(compare(before, after))
    gated = {**comparison, "verdict": gate(before, after).to_dict()}
    one = {key: value for key, value in audited().items() if key != "scores"}
    made = [_dumped(result) for result in (one, comparison, gated)]
    older = [(SAVED / "v0.1.0" / name).read_bytes() for name in ("comparison.json", "gated.json", "fix.json")]
    return [Sample("result.json", content, "json") for content in [*made * 6, *older]]


def harness_logs() -> list[Sample]:
    files = sorted((HARNESS / "plain").glob("samples_*.jsonl")) + sorted(
        (HARNESS / "chat_2shot").glob("samples_*.jsonl")
    )
    results = next((HARNESS / "plain").glob("results_*.json"))
    samples = [Sample(file.name, _cut(file, 3), "jsonl", ((results.name, results.read_bytes()),)) for file in files]
    own = Sample(results.name, results.read_bytes(), "json", ((files[0].name, _cut(files[0], 3)),))
    return [*samples, own, own]


def lighteval_logs() -> list[Sample]:
    import io

    from pyarrow import parquet

    found = []
    for file in sorted((IMPORTED / "lighteval").rglob("*.parquet")):
        target = io.BytesIO()
        parquet.write_table(parquet.read_table(file).slice(0, 2), target)
        found.append(Sample(file.name, target.getvalue(), "parquet"))
    return found


def inspect_logs() -> list[Sample]:
    import io
    import zipfile

    target = io.BytesIO()
    members = unpacked(IMPORTED / "inspect_ai" / "words.eval")
    names = [name for name in members if not name.startswith("samples/")]
    with zipfile.ZipFile(target, "w") as cut:
        for name in [*names, *[name for name in members if name.startswith("samples/")][:2]]:
            cut.writestr(name, members[name])
    whole = (IMPORTED / "inspect_ai" / "words.eval").read_bytes()
    return [Sample("words.eval", target.getvalue(), "zip")] * 4 + [Sample("words.eval", whole, "text")]


def opencompass_logs() -> list[Sample]:
    found = []
    for file in sorted((IMPORTED / "opencompass").rglob("*.json")):
        whole = json.loads(file.read_bytes())
        found.append(Sample(file.name, _dumped({key: whole[key] for key in list(whole)[:3]}), "json"))
    return found


def helm_logs() -> list[Sample]:
    found = []
    for folder in sorted((IMPORTED / "helm").iterdir()):
        whole = json.loads((folder / "scenario_state.json").read_bytes())
        cut = {**whole, "request_states": whole["request_states"][:8]}
        spec = (("run_spec.json", (folder / "run_spec.json").read_bytes()),)
        found.append(Sample("scenario_state.json", _dumped(cut), "json", spec))
        state = (("scenario_state.json", _dumped(cut)),)
        found.append(Sample("run_spec.json", (folder / "run_spec.json").read_bytes(), "json", state))
    return found


def tables() -> list[Sample]:
    """CSV, TSV, JSON lines, a JSON list and Parquet, of probabilities and of log-probabilities."""
    import io

    import pyarrow
    from pyarrow import parquet

    rows = [
        {"id": f"q{i}", "answer": "ABC"[i % 3], "A": 0.5, "B": 0.25, "C": 0.25, "task": "t", "group": f"g{i // 2}"}
        for i in range(4)
    ]
    logs = [
        {"id": i, "answer": i % 2, "logprobs": [-0.6931471805599453] * 2, "model": "m", "question": "?"} for i in (0, 1)
    ]
    header, lines = ",".join(rows[0]), [",".join(map(str, row.values())) for row in rows]
    text = "\n".join([header, *lines]) + "\n"
    target = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), target)
    return [
        Sample("table.csv", text.encode(), "csv"),
        Sample("table.tsv", text.replace(",", "\t").encode(), "text"),
        Sample("table.jsonl", b"".join(_dumped(row) + b"\n" for row in rows), "jsonl"),
        Sample("table.jsonl", b"".join(_dumped(row) + b"\n" for row in logs), "jsonl"),
        Sample("table.json", _dumped(rows), "json"),
        Sample("table.parquet", target.getvalue(), "parquet"),
    ]


def tuning_rows() -> list[Sample]:
    """Every kind of row, in every format that they may be kept in."""
    import gzip
    import io

    import pyarrow
    from pyarrow import parquet

    chat: list[dict[str, Any]] = [
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"},
                      {"role": "assistant", "content": "a", "weight": 1}], "tools": "[]"},
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": "s"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]},
                      {"role": "assistant", "content": None, "reasoning_content": "r",
                       "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                      {"role": "tool", "content": "1"}, {"role": "assistant", "content": "a"}],
         "chat_template_kwargs": {"x": 1}},
    ]  # fmt: skip
    flat: list[dict[str, Any]] = [
        {"prompt": "p", "completion": "c"},
        {"instruction": "i", "input": "", "output": "o", "history": [["q", "a"]]},
        {"question": "q", "answer": "a"},
        {"text": "all of it"},
    ]
    lists = [{"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}]
    lines = [b"".join(_dumped(row) + b"\n" for row in rows) for rows in (chat, flat, lists)]
    target = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(flat[:2]), target)
    return [
        *(Sample("rows.jsonl", content, "jsonl") for content in lines),
        Sample("rows.json", _dumped(chat), "json"),
        Sample("rows.csv", b"prompt,completion\np,c\nq,d\n", "csv"),
        Sample("rows.parquet", target.getvalue(), "parquet"),
        Sample("rows.jsonl.gz", gzip.compress(lines[0]), "text"),
        Sample("rows.csv.gz", b"question,answer\nq,a\n", "csv"),
    ]


def configurations() -> list[Sample]:
    texts = (
        "tasks = ['words', 'logic']\nlimit = 20\nbins = 10\n[gate]\nmargin = 0.01\nmin-items = 50\nstrict = true\n"
        "[fix]\nmethod = 'temperature'\nlearning-rate = 1e-5\n[compare]\nquiet = true\noutput = ['a.json']\n",
        "[tool.calibaudit]\nbatch-size = 'auto'\nseed = 3\n[tool.calibaudit.gate]\nalpha = 0.05\nmax-ece = 0.1\n"
        "[tool.calibaudit.score]\nmirror = 'x'\nnum-fewshot = 2\nsystem = 'Be brief.'\n[project]\nname = 'x'\n",
    )
    return [Sample("settings.toml", text.encode(), "toml") for text in texts]


def server_answers() -> list[Sample]:
    token = {"logprob": -0.5, "rank": 1, "decoded_token": " a"}
    top = {"tokens": [" b"], "token_logprobs": [-1.0], "top_logprobs": [{" b": -1.0, " c": -2.0}]}
    echo = {"tokens": ["q", " a", " b"], "token_logprobs": [None, -0.5, -1.0], "top_logprobs": [None, {" a": -0.5}, {}]}
    usage = {"prompt_tokens": 2, "completion_tokens": 1}
    answers: list[dict[str, Any]] = [
        {"choices": [{"text": " b", "prompt_logprobs": [None, {"7": token}], "logprobs": top}], "usage": usage},
        {"choices": [{"text": "q a b", "logprobs": echo}], "usage": usage},
        {"choices": [{"text": " b", "logprobs": {"content": [{"token": " b", "logprob": -1.0, "top_logprobs": []}]}}]},
    ]
    return [Sample("answer.json", _dumped(answer), "json") for answer in answers]
