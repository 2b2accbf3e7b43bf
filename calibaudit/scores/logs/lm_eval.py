"""Sample files of lm-evaluation-harness (0.4.x, `--log_samples`) -> Scores: no model is run.

An item's document is the hash of the row that the harness logged, as a task file's is of the data set's row: it does
not see the prompt, so that logs with and without a chat template, or with other examples, hold the same items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibaudit.errors import ScoresError, TaskError
from calibaudit.scores.logs.lm_eval_answers import choices_of, right_choices
from calibaudit.scores.logs.lm_eval_results import RunOfTask, read_run
from calibaudit.scores.logs.lm_eval_samples import NothingToAudit, Sample, read_samples
from calibaudit.scores.schema import padded
from calibaudit.scores.scores import ModelInfo, Scores
from calibaudit.tasks.items import Item, Scoring, Task, content_of, document_hash, joined, scoring_of_choices

SAMPLES = "samples_*.jsonl"
SCORINGS: tuple[Scoring, ...] = ("letter", "cloze", "cloze_byte", "cloze_char", "pmi")
"""What the logs hold enough for. Not cloze_token: they do not say how many tokens a continuation has."""

Notice = Callable[[str], None]

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")


def is_log_folder(path: Path) -> bool:
    """Whether the harness wrote sample files into this folder, or into folders of models right below it."""
    return path.is_dir() and (any(path.glob(SAMPLES)) or bool(_below(path)))


def read_lm_eval(
    paths: Sequence[Path], scoring: Scoring | None = None, notice: Notice | None = None
) -> tuple[Scores, ...]:
    """One model's scores out of its sample files, or of the folders they lie in; tasks in order of name.

    What the results file beside them says of model, template and delimiter is taken from there. scoring: one of
    SCORINGS; None: as `scoring_of_choices` says. Of several runs of a task in one folder the last counts.
    notice: called with one line for each file that holds no choices, which is passed over.
    Raises ScoresError naming file and line where a file is damaged, where no file holds choices, where a task stands in
    two folders, or where the files are of two models.
    """
    if scoring is not None and scoring not in SCORINGS:
        raise ScoresError(f"scoring {scoring!r} is not available from these logs; choose one of {', '.join(SCORINGS)}")
    files = _latest(file for path in paths for file in _files(path))
    found: list[tuple[Path, RunOfTask, Scores]] = []
    skipped: list[str] = []
    for task in sorted(files):
        file, date = files[task]
        run = read_run(file, date, task)
        try:
            found.append((file, run, _scores(file, task, run, scoring)))
        except NothingToAudit as reason:
            skipped.append(str(reason))
    if not found:
        more = f"; and {len(skipped) - 1} more: {'; '.join(skipped[1:])}" if len(skipped) > 1 else ""
        raise ScoresError(f"{skipped[0]}{more}")
    for line in skipped if notice is not None else ():
        assert notice is not None
        notice(f"{line}; the file is skipped")
    return _of_one_model(found)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob(SAMPLES))
    if found:
        return found
    below = _below(path)
    if len(below) > 1:
        names = ", ".join(folder.name for folder in below)
        raise ScoresError(f"{path}: logs of {len(below)} models are in it ({names}); name one of these folders")
    if not below:
        raise ScoresError(f"{path}: no {SAMPLES} in this folder; run lm-eval with --log_samples --output_path")
    return sorted(below[0].glob(SAMPLES))


def _below(path: Path) -> list[Path]:
    """The folders in it that hold sample files, as the harness makes one a model; none in a checkpoint's folder."""
    try:
        if (path / "config.json").exists() or (path / "adapter_config.json").exists():
            return []
        folders = sorted(folder for folder in path.iterdir() if folder.is_dir())
        return [folder for folder in folders if any(folder.glob(SAMPLES))]
    except OSError:
        return []


def _latest(files: Iterable[Path]) -> dict[str, tuple[Path, str]]:
    """Of each task its file and the run's date, "" where the name says none."""
    found: dict[str, tuple[Path, str]] = {}
    for file in dict.fromkeys(files):
        match = _NAME.fullmatch(file.name)
        task, date = (match["task"], match["date"]) if match else (file.stem.removeprefix("samples_"), "")
        known = found.get(task)
        if known is not None and known[0].parent != file.parent:
            raise ScoresError(f"task {task!r} is in two folders: {known[0]} and {file}; name it once")
        if known is None or date > known[1]:
            found[task] = (file, date)
    return found


def _of_one_model(found: Sequence[tuple[Path, RunOfTask, Scores]]) -> tuple[Scores, ...]:
    """The scores, all with the first's model: what two runs of one model differ in besides (device, version) is left.

    Raises ScoresError where the results files name two models.
    """
    known = [(file, run.model) for file, run, _ in found if run.is_known]
    if not known:
        model = found[0][1].model
        return tuple(replace(scores, model=model) for _, _, scores in found)
    first, model = known[0]
    for file, other in known[1:]:
        if _who(other) != _who(model):
            raise ScoresError(
                f"{first} is of {_named(model)}, {file} of {_named(other)}; give one model's logs for each side"
            )
    return tuple(replace(scores, model=model) for _, _, scores in found)


def _who(model: ModelInfo) -> tuple[object, ...]:
    return model.name, model.revision, model.dtype, model.n_parameters


def _named(model: ModelInfo) -> str:
    return f"{model.name} (revision {model.revision}, {model.dtype})"


def _scores(file: Path, name: str, run: RunOfTask, asked: Scoring | None) -> Scores:
    samples = read_samples(file)
    delimiter = _delimiter(samples, run)
    answers = right_choices(samples, delimiter, run.config)
    scoring = asked or _scoring(samples, run)
    items = _items(samples, delimiter, answers, run)
    if scoring == "pmi" and not all(sample.unconditional for sample in samples):
        raise NothingToAudit(
            f"{file}: no unconditional log-likelihoods; pmi needs a log of a task with acc_mutual_info"
        )
    logprobs = padded([sample.lls for sample in samples], -np.inf)
    choices = [choices_of(sample, delimiter) for sample in samples]
    return Scores(
        task=name,
        version=run.version,
        scoring=scoring,
        fingerprint=Task(name, run.version, scoring, items).fingerprint,
        model=run.model,
        chat_template=run.chat_template,
        item_ids=tuple(item.id for item in items),
        groups=None,
        logprobs=logprobs,
        answer=np.array(answers, dtype=np.int64),
        n_tokens=padded([[1] * len(row) for row in choices], 0).astype(np.int64),
        n_bytes=padded([[len(choice.encode()) for choice in row] for row in choices], 0).astype(np.int64),
        n_chars=padded([[len(choice) for choice in row] for row in choices], 0).astype(np.int64),
        option_mass=np.exp(logprobs).sum(axis=1).clip(max=1.0) if scoring == "letter" else None,
        unconditional=padded([sample.unconditional for sample in samples], -np.inf) if scoring == "pmi" else None,
        documents=tuple(item.document for item in items),
        prompt=run.prompt,
    )


def _scoring(samples: Sequence[Sample], run: RunOfTask) -> Scoring:
    if not all(sample.has_one_context for sample in samples):
        return "cloze"
    is_constant = isinstance(run.config.get("doc_to_choice"), list | dict)
    return scoring_of_choices((sample.continuations for sample in samples), is_constant=is_constant)


def _delimiter(samples: Sequence[Sample], run: RunOfTask) -> str:
    """What stands before each choice: the task's own, where the log agrees, else one space if it is everywhere."""
    for candidate in (run.config.get("target_delimiter"), " "):
        if isinstance(candidate, str) and all(c.startswith(candidate) for s in samples for c in s.continuations):
            return candidate
    return ""


def _items(samples: Sequence[Sample], delimiter: str, answers: Sequence[int], run: RunOfTask) -> tuple[Item, ...]:
    """As a task file's would be: system text and description apart, and so what every answer begins with."""
    told = "" if run.prompt is None else run.prompt.system
    system = joined(told, run.text("description"), str(run.config.get("fewshot_delimiter", "\n\n")))
    prefix = run.text("gen_prefix")
    whole = [context for sample in samples for context in sample.contexts]
    if not run.chat_template:
        system = system if all(context.startswith(system) for context in whole) else ""
        prefix = prefix if all(context.endswith(prefix) for context in whole) else ""
    found = []
    for sample, identity, document, answer in zip(
        samples, _identities(samples), _documents(samples, run), answers, strict=True
    ):
        context: str = ""
        leads: tuple[str, ...] = ()
        if run.chat_template:  # two models' templates write one question differently
            context = _question(document, run) if document else sample.contexts[0]
        elif sample.has_one_context:
            context = _question_of(sample.contexts[0].removeprefix(system), prefix, delimiter)
        else:
            wholes = [_question_of(context.removeprefix(system), prefix, "") for context in sample.contexts]
            context = _examples_of(wholes, run)
            leads = tuple(whole.removeprefix(context) for whole in wholes)
        choices = choices_of(sample, delimiter)
        found.append(
            Item(identity, context, choices, answer, None, system, delimiter, leads, document, answer_prefix=prefix)
        )
    return tuple(found)


def _examples_of(contexts: Sequence[str], run: RunOfTask) -> str:
    """What stands before contexts that are a choice each: the examples, up to the last delimiter that all share."""
    if run.prompt is None or not run.prompt.n_fewshot:
        return ""
    delimiter = str(run.config.get("fewshot_delimiter", "\n\n"))
    first, last = min(contexts), max(contexts)  # what these two share, all between them share
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    shared = first[:length]
    return shared[: shared.rfind(delimiter) + len(delimiter)] if delimiter and delimiter in shared else ""


def _question_of(context: str, prefix: str, delimiter: str) -> str:
    """The context without what the answer begins with, and without the delimiter that `joined` puts between the two."""
    if not prefix:
        return context
    rest = context.removesuffix(prefix)
    bare = rest.removesuffix(delimiter)
    return bare if joined(bare, prefix, delimiter) == context else rest


def _question(document: str, run: RunOfTask) -> str:
    """What stands for a prompt whose text is the template's: the row, and what the task makes of it."""
    settings = [run.config.get(key) for key in ("doc_to_text", "doc_to_choice", "fewshot_delimiter")]
    n_fewshot = None if run.prompt is None else run.prompt.n_fewshot
    return document_hash(["lm-evaluation-harness", document, settings, n_fewshot])


def _documents(samples: Sequence[Sample], run: RunOfTask) -> list[str]:
    """Of each the hash of its row, else of the hash that was logged of it; empty where the log has neither."""
    used = _used_columns(samples, run)
    found = []
    for sample in samples:
        if sample.doc is not None:
            content = content_of(sample.doc, used)
            found.append(document_hash(content) if content else "")
        else:
            found.append(document_hash(["lm-evaluation-harness", sample.doc_hash]) if sample.doc_hash else "")
    return found


def _used_columns(samples: Sequence[Sample], run: RunOfTask) -> frozenset[str]:
    """The columns that the task's templates name, as the reader of task files has them."""
    from calibaudit.tasks.templates import Field

    columns = dict.fromkeys(column for sample in samples for column in sample.doc or ())
    used: frozenset[str] = frozenset()
    for key in ("doc_to_text", "doc_to_target", "doc_to_choice"):
        written = run.config.get(key)
        if isinstance(written, str):
            try:
                used |= Field(key, written, columns).names
            except TaskError:  # the source of a function of the harness's
                continue
    return used


def _identities(samples: Sequence[Sample]) -> list[str]:
    """The documents' ids where all have different ones, else their numbers: as tasks name their items."""
    values = [None if sample.doc is None else sample.doc.get("id") for sample in samples]
    names = [str(value) if isinstance(value, str | int) and str(value).strip() else "" for value in values]
    return names if all(names) and len(set(names)) == len(names) else [str(sample.doc_id) for sample in samples]
