"""A task file's schema: what is refused, and with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibaudit.errors import TaskError
from calibaudit.tasks.items import Scoring
from calibaudit.tasks.registry import definitions_of_file
from calibaudit.tasks.schema import UNSUPPORTED, TaskSpec, parse_group
from calibaudit.tasks.yaml_file import TaskFileError, read_source

SOUND = """\
task: t
dataset_path: d.jsonl
test_split: test
output_type: multiple_choice
doc_to_text: q
doc_to_choice: options
doc_to_target: gold
"""


def faults_of(folder: Path, text: str, name: str = "t.yaml") -> tuple[str, ...]:
    (folder / name).write_text(text)
    with pytest.raises(TaskFileError) as caught:
        definitions_of_file(folder / name)
    assert all("\n" not in fault for fault in caught.value.faults)
    return caught.value.faults


def spec_of(folder: Path, text: str) -> TaskSpec:
    (folder / "t.yaml").write_text(text)
    (definition,) = definitions_of_file(folder / "t.yaml")
    return definition.spec


@pytest.mark.parametrize("key", sorted(UNSUPPORTED))
def test_keys_of_lm_eval_without_a_place_here_are_refused_with_the_reason(key: str, tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, f"{SOUND}{key}: something\n")
    assert f"t.yaml:8: key {key!r} is not supported: {UNSUPPORTED[key]}" in fault
    assert spec_of(tmp_path, f"{SOUND}{key}: null\n").task == "t"


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("doc_to_txt", "doc_to_text"),
        ("num_fewshots", "num_fewshot"),
        ("testsplit", "test_split"),
        ("dataset", "dataset_path"),
        ("metrics_list", "metric_list"),
        ("score", "scoring"),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest(key: str, near: str, tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, f"{SOUND}{key}: x\n")
    assert f"t.yaml:8: key {key!r} is unknown: did you mean {near!r}?" in fault


def test_unknown_keys_below_the_top_are_refused_too(tmp_path: Path) -> None:
    faults = faults_of(
        tmp_path, SOUND + "fewshot_config:\n  smapler: first_n\n  process_docs: x\ndataset_kwargs:\n  rev: 1\n"
    )
    assert "t.yaml:9: key 'smapler' in fewshot_config is unknown: did you mean 'sampler'?" in faults[0]
    assert "t.yaml:10: key 'process_docs' in fewshot_config is not supported" in faults[1]
    assert "t.yaml:12: key 'rev' in dataset_kwargs is unknown: did you mean 'revision'?" in faults[2]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("num_fewshot: -1", "num_fewshot: expected 0 or more, found -1"),
        ("num_fewshot: two", 'num_fewshot: expected a whole number, found "two"'),
        ("num_fewshot: true", "num_fewshot"),
        ("repeats: 3", "repeats: 3: only 1 is possible"),
        ("filter_list: [{name: x}]", "filter_list: the filter {'name': 'x'} works on a model's answers"),
        ("filter_list: [{name: x, filter: [{function: regex}]}]", "filter_list: the filter 'regex' works on"),
        ("filter_list: [{name: x, filter: [{function: take_first, k: 2}]}]", "filter_list: the filter {'function'"),
        (
            "filter_list: [{name: x, filter: [{function: !function u.f}]}]",
            "`!function u.f` is Python code, which is never run here: filters",
        ),
        ("scoring: clozee", 'scoring: expected "letter", "cloze"'),
        ("metric_list: [{metric: bleu}]", "metric_list.0.metric: expected one of acc, acc_norm"),
        (
            "fewshot_config: {sampler: balanced}",
            'fewshot_config.sampler: expected "default" or "first_n", found "balanced"',
        ),
        ("fewshot_config: {fewshot_indices: [-1]}", "fewshot_config.fewshot_indices.0"),
        ("dataset_kwargs: {header: first}", "dataset_kwargs.header: expected a row number, `infer`, or null"),
        ("dataset_kwargs: {usecols: [q, 1]}", "dataset_kwargs.usecols: expected a list of names or a list of numbers"),
        (
            "dataset_kwargs: {skiprows: [-1]}",
            "dataset_kwargs.skiprows: expected a number of rows or a list of row numbers",
        ),
        ("dataset_kwargs: {column_names: q}", 'dataset_kwargs.column_names: expected a list, found "q"'),
        ("dataset_kwargs: {nrows: 0}", "dataset_kwargs.nrows: expected 1 or more, found 0"),
        ("description: '{% if %}'", "description: not a valid Jinja template"),
        ("tag: 3", "tag: expected text or a list of strings, found 3"),
    ],
)
def test_wrong_values_are_named(line: str, told: str, tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, f"{SOUND}{line}\n")
    assert "t.yaml:8: " in fault
    assert told in fault


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("task", "a b", "task: expected a name without spaces, commas or slashes"),
        ("task", "../x", "task: expected a name without spaces, commas or slashes"),
        ("output_type", "generate_until", 'output_type: expected "multiple_choice", found "generate_until"'),
        ("doc_to_choice", "[no, yes]", "choice 0: expected text, found false: quote it; YAML reads no, yes"),
        ("doc_to_choice", "[1, 2]", "choice 0: expected text, found 1: quote it"),
        ("doc_to_choice", "[A]", "1 choice(s): at least 2 are needed"),
        ("doc_to_choice", "3", "expected a column, a template or a list of strings, found 3"),
        ("doc_to_target", "[0, 1]", "a list of right answers is not supported"),
        ("doc_to_target", "true", "expected a column, a template or the index of the right choice, found true"),
        ("doc_to_text", "7", "doc_to_text: expected text, found 7"),
    ],
)
def test_wrong_required_values_are_named(key: str, value: str, told: str, tmp_path: Path) -> None:
    lines = [f"{key}: {value}" if line.startswith(f"{key}:") else line for line in SOUND.splitlines()]
    (fault,) = faults_of(tmp_path, "\n".join(lines))
    assert told in fault


@pytest.mark.parametrize(
    "key", ["task", "dataset_path", "output_type", "doc_to_text", "doc_to_choice", "doc_to_target"]
)
def test_missing_keys_are_named(key: str, tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, "\n".join(line for line in SOUND.splitlines() if not line.startswith(f"{key}:")))
    assert f"key {key!r} is missing" in fault


def test_a_split_to_evaluate_is_needed(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, SOUND.replace("test_split: test\n", "training_split: train\n"))
    assert "neither test_split nor validation_split is set" in fault


def test_every_fault_is_found_at_once(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, SOUND.replace("test_split: test\n", "") + "nope: 1\nprocess_docs: x\nrepeats: 0\n")
    assert len(faults) == 4


@pytest.mark.parametrize(
    "key", ["process_docs", "process_results", "doc_to_text", "doc_to_choice", "doc_to_target", "description"]
)
def test_a_function_that_decides_what_is_asked_is_refused_with_the_way_out(key: str, tmp_path: Path) -> None:
    kept = "".join(f"{line}\n" for line in SOUND.splitlines() if not line.startswith(f"{key}:"))
    line = kept.count("\n") + 1
    (fault,) = faults_of(tmp_path, f"{kept}{key}: !function utils.f\n")
    assert f"t.yaml:{line}: {key}: `!function utils.f` is Python code, which is never run here" in fault
    assert f"`calibaudit tasks convert {tmp_path / 't.yaml'} -o FOLDER`" in fault


def test_functions_below_the_top_and_their_reasons(tmp_path: Path) -> None:
    faults = faults_of(
        tmp_path,
        SOUND + "class: !function task.T\nfewshot_config:\n  sampler: !function s.f\n  samples: !function s.g\n"
        "  process_docs: !function s.h\n",
    )
    assert [fault.partition(": ")[0].rpartition(":")[2] for fault in faults] == ["8", "10", "11", "12"]
    assert "class: `!function task.T` is Python code, which is never run here: it is a task written in" in faults[0]
    assert "fewshot_config.sampler: `!function s.f`" in faults[1]
    assert "take `default` or `first_n`" in faults[1]
    assert "fewshot_config.samples: `!function s.g`" in faults[2]
    assert "tasks convert" in faults[3]
    (fault,) = faults_of(tmp_path, SOUND + "metadata: {a: !function [x]}\n")
    assert "t.yaml:8: !function: expected the name of a function" in fault


def test_a_function_inside_a_list_is_told_once(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, SOUND.replace("options", "[a, !function u.f]"))
    assert "t.yaml:6: doc_to_choice.1: `!function u.f` is Python code" in fault


def test_a_path_with_a_space_is_quoted_in_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (fault,) = faults_of(tmp_path / "a b", SOUND + "process_docs: !function utils.f\n")
    assert f"convert '{tmp_path / 'a b' / 't.yaml'}' -o FOLDER" in fault


def test_functions_that_change_neither_prompt_nor_answer_are_passed_over(tmp_path: Path) -> None:
    extra = (
        "metric_list:\n  - {metric: f1, aggregation: !function utils.f1, average: weighted, hf_evaluate: true}\n"
        "  - {metric: !function utils.own}\n"
        "should_decontaminate: true\ndoc_to_decontamination_query: !function utils.q\n"
        "generation_kwargs: {until: [x], stop: !function utils.s}\nmetadata: {made_by: !function utils.m}\n"
    )
    spec = spec_of(tmp_path, SOUND + extra)
    assert (spec.doc_to_text, spec.doc_to_choice, spec.doc_to_target) == ("q", "options", "gold")
    (tmp_path / "g.yaml").write_text(
        "group: g\ntask: [t]\naggregate_metric_list: [{metric: acc, aggregation: !function utils.mean}]\n"
    )
    assert [definition.spec.task for definition in definitions_of_file(tmp_path / "g.yaml")] == ["t"]


def test_a_function_that_the_including_file_replaces_is_gone(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("process_docs: !function utils.f\ndoc_to_text: !function utils.g\n")
    assert spec_of(tmp_path, f"include: base.yaml\n{SOUND}process_docs: null\n").doc_to_text == "q"
    (fault,) = faults_of(tmp_path, f"include: base.yaml\n{SOUND}")
    assert "base.yaml:1: process_docs: `!function utils.f`" in fault


def test_metrics_of_a_process_results_are_its_own(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, SOUND + "process_results: !function u.f\nmetric_list: [{metric: likelihood_diff}]\n")
    assert "t.yaml:8: process_results" in fault


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [ls]", "!include x.yaml"])
def test_other_tags_are_refused(tag: str, tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, f"{SOUND}metadata: {{a: {tag}}}\n")
    assert "t.yaml:8: YAML tag" in fault


def test_duplicate_keys_are_refused_with_both_lines(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, SOUND + "task: u\nmetadata:\n  a: 1\n  a: 2\n")
    assert "t.yaml:8: key 'task' occurs twice (first in line 1)" in faults[0]
    assert "t.yaml:11: key 'a' occurs twice (first in line 10), with different values" in faults[1]
    assert spec_of(tmp_path, SOUND + "num_fewshot: 2\nmetadata:\n  a: 1\n  a: 1\nnum_fewshot: 2\n").num_fewshot == 2
    (fault,) = faults_of(tmp_path, SOUND + "num_fewshot: 2\nnum_fewshot: '2'\n")
    assert "key 'num_fewshot' occurs twice" in fault


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [1", "not valid YAML"),
        ("- a\n", "a task file is a mapping"),
        ("", "a task file is a mapping"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("1: 2\n", "key 1 is not text"),
        ("{[a]: 2}\n", "a key must be plain text"),
        ("a: &x [*x]\n", "an alias refers to a value that contains it"),
        ("a: 2024-99-99\n", "not valid YAML"),
    ],
)
def test_yaml_that_is_no_task_file(text: str, told: str, tmp_path: Path) -> None:
    assert any(told in fault for fault in faults_of(tmp_path, text))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_bytes(b"task: \xff\n")
    with pytest.raises(TaskError, match="not UTF-8"):
        read_source(tmp_path / "t.yaml")
    with pytest.raises(TaskError, match="cannot be read"):
        read_source(tmp_path)


def test_aliases_that_grow_without_end_are_refused(tmp_path: Path) -> None:
    rows = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9) if i else 'x'}]\n" for i in range(30))
    (tmp_path / "t.yaml").write_text(rows)
    with pytest.raises(TaskFileError, match=r"t\.yaml:7: its aliases stand for more than 200,000 values"):
        read_source(tmp_path / "t.yaml")
    (tmp_path / "t.yaml").write_text(rows[: rows.index("a5")])
    assert len(read_source(tmp_path / "t.yaml").data) == 5


def test_include_is_relative_and_own_keys_win(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "base.yaml").write_text("include: deep.yaml\ntask: base\nnum_fewshot: 3\n")
    (tmp_path / "parts" / "deep.yaml").write_text("num_fewshot: 1\ndescription: deep\n")
    (tmp_path / "parts" / "late.yaml").write_text("description: late\n")
    spec = spec_of(tmp_path, f"include: parts/base.yaml\n{SOUND}")
    assert (spec.task, spec.num_fewshot, spec.description) == ("t", 3, "deep")
    spec = spec_of(tmp_path, f"include: [parts/base.yaml, parts/late.yaml]\n{SOUND}")
    assert (spec.num_fewshot, spec.description) == (3, "late")


def test_faults_in_an_included_file_name_that_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("doc_to_tex: x\n")
    (fault,) = faults_of(tmp_path, f"include: base.yaml\n{SOUND}")
    assert "base.yaml:1: key 'doc_to_tex' is unknown" in fault


def test_include_faults(tmp_path: Path) -> None:
    assert "t.yaml:1: include: there is no file" in faults_of(tmp_path, "include: gone.yaml\n")[0]
    assert "include: expected a file name or a list of them, found 3" in faults_of(tmp_path, "include: 3\n")[0]
    (tmp_path / "a.yaml").write_text("include: t.yaml\n")
    assert "in a circle: t.yaml -> a.yaml -> t.yaml" in faults_of(tmp_path, "include: a.yaml\n")[0]
    (tmp_path / "a.yaml").write_text("include: c.yaml\n")
    (tmp_path / "b.yaml").write_text("include: c.yaml\n")
    (tmp_path / "c.yaml").write_text(SOUND)
    assert spec_of(tmp_path, "include: [a.yaml, b.yaml]\n").task == "t"


@pytest.mark.parametrize(
    ("choices", "extra", "scoring"),
    [
        ("[A, B, C, D]", "", "letter"),
        ("['1', '2']", "", "letter"),
        ("[' A', ' B']", "", "letter"),
        ("{x: A, y: B}", "", "letter"),
        ("['no', 'yes']", "", "cloze"),
        ("[A, '?']", "", "cloze"),
        ("options", "", "cloze"),
        ("\"{{['A', 'B']}}\"", "", "cloze"),
        ("[A, B]", "scoring: cloze_byte", "cloze_byte"),
        ("options", "scoring: letter", "letter"),
        ("options", "metric_list: [{metric: acc_mutual_info}, {metric: acc_norm, aggregation: mean}]", "cloze"),
    ],
)
def test_default_scoring(choices: str, extra: str, scoring: Scoring, tmp_path: Path) -> None:
    text = SOUND.replace("doc_to_choice: options", f"doc_to_choice: {choices}") + extra
    assert spec_of(tmp_path, text).default_scoring == scoring


def test_keys_without_effect_are_accepted(tmp_path: Path) -> None:
    extra = (
        "task_alias: x\ntag: [a, b]\nshould_decontaminate: true\ndoc_to_decontamination_query: q\nrepeats: 1\n"
        "filter_list: null\nunsafe_code: false\nmetadata: {version: 1.0, anything: [1]}\ndataset_name: null\n"
        "dataset_kwargs: {trust_remote_code: false}\ngeneration_kwargs: {until: [A]}\n"
        "fewshot_config: {sampler: first_n, process_docs: null}\n"
    )
    assert spec_of(tmp_path, SOUND + extra).task == "t"
    passed = SOUND + "filter_list: [{name: none, filter: [{function: take_first}]}]\n"
    assert spec_of(tmp_path, passed).task == "t"


def test_a_list_of_one_right_answer_is_that_answer(tmp_path: Path) -> None:
    assert spec_of(tmp_path, SOUND.replace("gold", "[3]")).doc_to_target == 3
    assert spec_of(tmp_path, SOUND.replace("gold", "[gold]")).doc_to_target == "gold"
    (fault,) = faults_of(tmp_path, SOUND.replace("gold", "[]"))
    assert "a list of right answers is not supported" in fault


def test_only_the_keys_that_are_written_reach_the_reader(tmp_path: Path) -> None:
    spec = spec_of(
        tmp_path, SOUND + "dataset_kwargs: {header: null, sep: ';', trust_remote_code: true, streaming: true}\n"
    )
    assert spec.dataset_kwargs is not None
    assert spec.dataset_kwargs.written == {"header": None, "sep": ";"}


GROUP = """\
group: g
dataset_path: d.jsonl
test_split: test
output_type: multiple_choice
doc_to_choice: options
doc_to_target: gold
"""


def test_group_members_take_the_groups_keys(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(SOUND.replace("task: t", "task: other"))
    (tmp_path / "part.yaml").write_text("doc_to_text: included\n")
    (tmp_path / "g.yaml").write_text(
        GROUP + "num_fewshot: 2\naggregate_metric_list: [{metric: acc}]\ngroup_alias: G\nmetadata: {version: 1}\n"
        "task:\n  - other\n  - {task: one, doc_to_text: q1}\n  - {task: two, include: part.yaml, num_fewshot: 0}\n"
        "  - {task: other, doc_to_text: again}\n  - group: inner\n    task:\n      - {task: three, doc_to_text: q3}\n"
        "  - {task: piqa, description: ours}\n"
    )
    found = [(d.spec.task, d.spec.doc_to_text, d.spec.num_fewshot) for d in definitions_of_file(tmp_path / "g.yaml")]
    assert found == [
        ("other", "q", 2),
        ("one", "q1", 2),
        ("two", "included", 0),
        ("other", "again", 2),
        ("three", "q3", 2),
        ("piqa", "Question: {{goal}}\nAnswer:", 2),
    ]


def test_group_faults(tmp_path: Path) -> None:
    faults = faults_of(
        tmp_path,
        GROUP + "task:\n  - piqaa\n  - {task: one, doc_to_text: q, doc_to_idd: x}\n  - {doc_to_text: q}\n  - 3\n",
    )
    assert "task.3" in faults[0]
    faults = faults_of(
        tmp_path, GROUP + "task:\n  - piqaa\n  - {task: one, doc_to_text: q, doc_to_idd: x}\n  - {doc_to_text: q}\n"
    )
    assert len(faults) == 3
    assert (
        "t.yaml:8: 'piqaa' is neither a task file or tag of this folder nor a bundled task; did you mean piqa?"
        in faults[0]
    )
    assert "t.yaml:9: key 'doc_to_idd' is unknown: did you mean 'doc_to_id'?" in faults[1]
    assert "t.yaml:10: a member needs `task: NAME` or `group: NAME`" in faults[2]
    assert "group g has no tasks" in faults_of(tmp_path, GROUP + "task: []\n")[0]
    assert "key 'task' is missing" in faults_of(tmp_path, GROUP)[0]
    assert "group g contains itself" in faults_of(tmp_path, "group: g\ntask: [{group: g, task: [piqa]}]\n")[0]


def test_groups_that_name_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("group: b\ntask: [g]\n")
    assert "contains itself" in faults_of(tmp_path, "group: g\ntask: [b]\n", "g.yaml")[0]


def test_a_group_may_name_a_tag_of_its_folder(tmp_path: Path) -> None:
    for name, tag in (("b", "[x, y]"), ("a", "x"), ("c", "y"), ("piqa2", "piqa")):
        (tmp_path / f"{name}_file.yaml").write_text(SOUND.replace("task: t", f"task: {name}") + f"tag: {tag}\n")
    (tmp_path / "_inner.yaml").write_text("group: some sciences\ntask: y\n")
    (tmp_path / "other.yaml").write_text("task: broken\ntag: x\n  - nothing\n")

    def members(*lines: str) -> list[tuple[str, int | None]]:
        (tmp_path / "g.yaml").write_text("group: g\ntask:\n" + "".join(f"  - {line}\n" for line in lines))
        return [(d.spec.task, d.spec.num_fewshot) for d in definitions_of_file(tmp_path / "g.yaml")]

    assert members("x") == [("a", None), ("b", None)]
    assert members("{task: x, num_fewshot: 3}", "c") == [("a", 3), ("b", 3), ("c", None)]
    assert members("some sciences") == [("b", None), ("c", None)]
    assert members("piqa") == [("piqa", None)]  # a name goes before a tag
    assert (
        "t.yaml:2: 'z' is neither a task file or tag of this folder" in faults_of(tmp_path, "group: g\ntask: [z]\n")[0]
    )


def test_a_function_among_a_groups_tasks_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text("group: g\ntask:\n  - arithmetic\n  - !function a.b\n")
    with pytest.raises(TaskFileError) as caught:
        parse_group(read_source(file))
    (fault,) = caught.value.faults
    assert fault.startswith(f"{file}: task.1: ")
