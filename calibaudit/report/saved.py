"""A saved result -> the Comparison or ModelAudit it was made from: one set of words for fresh and for saved results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from calibaudit.analysis.audit import Audit, ModelAudit, Reliability, TaskAudit
from calibaudit.analysis.by_level import level_rows_from_dicts
from calibaudit.analysis.compare import Comparison, Overall, TaskComparison
from calibaudit.analysis.estimates import METRICS, Change
from calibaudit.analysis.settings import Settings
from calibaudit.analysis.thinking import ThinkingEffect, thinking_effect_from_dict
from calibaudit.analysis.worst_errors import ConfidentError, OptionShown
from calibaudit.files.text import json_value
from calibaudit.gating.coverage import Coverage, Share
from calibaudit.gating.limits import MAXIMA, InForce, Limits
from calibaudit.gating.verdict import MEASURES, Check, Finding, Outcome, Part, Verdict
from calibaudit.report.saved_values import (
    Result,
    change_of,
    float_of,
    interval_of,
    number_of,
    one_of,
    texts_of,
    whole_result,
)
from calibaudit.report.words.verdict import CHECK_NAMES
from calibaudit.scores.prompt_format import PromptFormat, prompt_format_from_dict
from calibaudit.scores.schema import built, floats, whole, whole_numbers
from calibaudit.scores.scores import ModelInfo

OUTCOMES, FINDINGS = get_args(Outcome), get_args(Finding)


def is_comparison(result: Result) -> bool:
    """Two models' result, and not one model's."""
    return "before" in result


def comparison_of(result: Result, source: str = "the result") -> Comparison:
    """The Comparison that `comparison_dict` wrote. Raises ScoresError naming `source` when entries are missing."""
    with whole_result(source):
        overall = result["overall"]
        return Comparison(
            before=model_of(result["before"]),
            after=model_of(result["after"]),
            settings=_settings(result["settings"]),
            tasks=tuple(_task_comparison(task) for task in _some(result["tasks"])),
            pooled=overall_of(overall["pooled"], "pooled"),
            macro=overall_of(overall["macro"], "macro"),
            warnings=(*texts_of(result["warnings"]), *_of_version_1(overall["pooled"]["after"])),
            thinking=_thinking(result.get("thinking")),
            by_level=level_rows_from_dicts(result.get("by_level", ()), pair=True),
        )


def audit_of(result: Result, source: str = "the result") -> ModelAudit:
    """The ModelAudit that `audit_dict` wrote. Raises ScoresError naming `source` when entries are missing."""
    with whole_result(source):
        overall, tasks = result["overall"], tuple(_task_audit(task) for task in _some(result["tasks"]))
        scoring = " + ".join(sorted({task.scoring for task in tasks}))
        return ModelAudit(
            model=model_of(result["model"]),
            settings=_settings(result["settings"]),
            tasks=tasks,
            pooled=_audit("pooled", scoring, overall["pooled"], overall["pooled"]["metrics"], "reliability"),
            macro=_audit("macro", scoring, overall["macro"], overall["macro"]["metrics"], None),
            n_tasks_with=_counts(overall["macro"]["n_tasks_with"]),
            warnings=(*texts_of(result["warnings"]), *_of_version_1(overall["pooled"]["metrics"])),
            thinking=thinking_effect_from_dict(result.get("thinking")),
            by_level=level_rows_from_dicts(result.get("by_level", ()), pair=False),
        )


def errors_of(result: Result, source: str = "the result") -> tuple[ConfidentError, ...]:
    """The worst confident errors in a result; none where it was saved without. Raises ScoresError as the others do."""
    with whole_result(source):
        return tuple(
            _possible(
                ConfidentError(
                    task=str(entry["task"]),
                    item_id=str(entry["item_id"]),
                    question=_text(entry["question"]),
                    answer=whole(entry["answer"]),
                    chosen=whole(entry["chosen"]),
                    n_options=whole(entry["n_options"]),
                    options=tuple(
                        OptionShown(
                            whole(option["index"]),
                            _text(option["text"]),
                            number_of(option["probability"]),
                            float_of(option["before"]),
                        )
                        for option in entry["options"]
                    ),
                )
            )
            for entry in result.get("errors", ())
        )


def _possible(error: ConfidentError) -> ConfidentError:
    shown = {option.index for option in error.options}
    if not {error.chosen, error.answer} <= shown or max(shown) >= error.n_options:
        raise ValueError(f"an error at {error.item_id!r:.40} whose answers are not among its options")
    return error


def verdict_of(result: Result, source: str = "the result") -> Verdict | None:
    """The gate's Verdict in a result; None where there is none. Raises ScoresError as the others do."""
    found = result.get("verdict")
    if found is None:
        return None
    with whole_result(source):
        n_to_settle = found["n_to_settle"]
        limits = built(Limits, found["limits"])
        return Verdict(
            outcome=one_of(OUTCOMES, found["outcome"], "outcome"),
            limits=limits,
            before=model_of(result["before"]),
            after=model_of(result["after"]),
            overall=_part(found["overall"], limits),
            tasks=tuple(_part(part, limits) for part in found["tasks"]),
            n_to_settle=None if n_to_settle is None else whole(n_to_settle),
            in_force=tuple(built(InForce, entry) for entry in found.get("in_force", ())),
            coverage=_coverage(found.get("coverage")),
        )


def _coverage(entry: Result | None) -> Coverage | None:
    return None if entry is None else Coverage(tuple(built(Share, task) for task in entry["tasks"]))


def _part(part: Result, limits: Limits) -> Part:
    """With the checks that the rule makes, in its order: pages take them by their place."""
    one_of(OUTCOMES, part["outcome"], "outcome")
    checks = tuple(map(_check, part["checks"]))
    wanted = [*MEASURES, *(name for name in MAXIMA if getattr(limits, name) is not None)]
    if [check.measure for check in checks] != wanted:
        found = ", ".join(str(check.measure) for check in checks)[:200]
        raise ValueError(f"expected checks of {', '.join(wanted)}; found {found or 'none'}")
    return built(Part, {**part, "name": str(part["name"]), "checks": checks})


def _check(check: Result) -> Check:
    one_of(CHECK_NAMES, check["measure"], "measure")
    one_of(FINDINGS, check["finding"], "finding")
    return built(Check, check)


def _some(tasks: Any) -> list[Any]:
    if not isinstance(tasks, list) or not tasks:
        raise ValueError("no list of tasks")
    return tasks


def _task_comparison(task: Result) -> TaskComparison:
    return TaskComparison(
        name=str(task["name"]),
        version=str(task["version"]),
        fingerprint=str(task["fingerprint"]),
        n_items=whole(task["n_items"]),
        scoring=str(task["scoring"]),
        chat_template=_pair(task["chat_template"], _truth),
        n_truncated=_pair(task["n_truncated"], whole),
        n_healed=_pair(task["n_healed"], whole),
        before=_audit(task["name"], task["scoring"], task, task["before"], "before"),
        after=_audit(task["name"], task["scoring"], task, task["after"], "after"),
        change=_changes(task["change"]),
        ece_p_holm=float_of(task["ece_p_holm"]),
        n_moved=_pair(task.get("n_moved", {"before": 0, "after": 0}), whole),
        prompts=_prompts(task.get("prompt")),
        chance=float_of(task.get("chance")),
    )


def overall_of(overall: Result, name: str) -> Overall:
    """name: what its audits are called."""
    return Overall(
        before=_audit(name, "", overall, overall["before"], "before"),
        after=_audit(name, "", overall, overall["after"], "after"),
        change=_changes(overall["change"]),
        n_items=whole(overall["n_items"]),
        n_tasks=whole(overall["n_tasks"]),
        n_tasks_with=_counts(overall["n_tasks_with"]),
    )


def _task_audit(task: Result) -> TaskAudit:
    return TaskAudit(
        name=str(task["name"]),
        version=str(task["version"]),
        fingerprint=str(task["fingerprint"]),
        chat_template=_truth(task["chat_template"]),
        n_truncated=whole(task["n_truncated"]),
        n_healed=whole(task["n_healed"]),
        audit=_audit(task["name"], task["scoring"], task, task["metrics"], "reliability"),
        n_moved=whole(task.get("n_moved", 0)),
        prompt=prompt_format_from_dict(task.get("prompt")),
        chance=float_of(task.get("chance")),
    )


def _thinking(pair: Result | None) -> tuple[ThinkingEffect | None, ThinkingEffect | None]:
    before, after = (None, None) if pair is None else _pair(pair)
    return thinking_effect_from_dict(before), thinking_effect_from_dict(after)


def _prompts(pair: Result | None) -> tuple[PromptFormat | None, PromptFormat | None]:
    before, after = (None, None) if pair is None else _pair(pair)
    return prompt_format_from_dict(before), prompt_format_from_dict(after)


def _audit(name: str, scoring: str, entry: Result, metrics: Result, side: str | None) -> Audit:
    """side: `before` or `after` of a pair of diagrams, `reliability` for a diagram alone, None for no diagram."""
    diagram, p_value = (entry.get(name) if side else None for name in ("reliability", "calibrated_p"))
    if side in ("before", "after"):
        diagram, p_value = (None if found is None else found[side] for found in (diagram, p_value))
    for key in ("accuracy", "confidence", "gap"):  # no items are without
        number_of(metrics[key]["value"])
    return Audit(
        task=str(name),
        scoring=str(scoring),
        n_items=whole(entry["n_items"]),
        metrics={key: interval_of(entry) for key, entry in _known(metrics).items()},
        reliability=None if diagram is None else _reliability(diagram),
        calibrated_p=float_of(p_value),
    )


def _changes(changes: Result) -> dict[str, Change]:
    return {key: change_of(entry) for key, entry in _known(changes).items()}


def _known(entries: Result) -> dict[str, Result]:
    """Every metric's entry. In version 1 `ece` and `smooth_ece` were plug-in values, with interval and test."""
    if "ece_plugin" in entries:
        return {key: entries[key] for key in METRICS}
    nothing = dict.fromkeys(("value", "low", "high", "p_value"))
    plug_ins = {f"{key}_plugin": {**nothing, "value": entries[key]["value"]} for key in ("ece", "smooth_ece")}
    return {key: {**entries, **plug_ins}.get(key, nothing) for key in METRICS}


def _of_version_1(metrics: Result) -> list[str]:
    """What to know of a result that version 0.1 made."""
    if "ece_plugin" in metrics:
        return []
    return [
        "this result is of version 0.1: its ECE is the plug-in value, and its intervals (bootstrap) and p-values (swap "
        "test) may disagree; compare again to get all from one method"
    ]


def _counts(n_tasks_with: Result) -> dict[str, int]:
    return {key: whole(n_tasks_with.get(key, n_tasks_with["ece"])) for key in METRICS}


def _reliability(diagram: Result) -> Reliability:
    found = Reliability(
        edges=floats(diagram["edges"]),
        count=whole_numbers(diagram["count"]),
        confidence=_means(diagram["confidence"]),
        accuracy=_means(diagram["accuracy"]),
    )
    n = len(found.count)
    if (len(found.edges), len(found.confidence), len(found.accuracy)) != (n + 1, n, n):
        raise ValueError("a reliability diagram whose lists differ in length")
    if (np.isnan(found.confidence) | np.isnan(found.accuracy))[found.count > 0].any() or (found.count < 0).any():
        raise ValueError("a reliability diagram without the means of a bin that has items")
    return found


def _means(values: Any) -> npt.NDArray[np.float64]:
    """Of each bin, in [0, 1]; NaN where it is empty."""
    found = np.array([np.nan if value is None else float_of(value) for value in values], dtype=np.float64)
    if ((found < 0) | (found > 1)).any():
        raise ValueError("a reliability diagram with a mean outside 0 to 1")
    return found


def model_of(info: Result) -> ModelInfo:
    """Raises KeyError and the like where entries are missing."""
    return ModelInfo(**info)


def _settings(settings: Result) -> Settings:
    """Results of version 1 have the draws of their bootstrap and their swap test besides."""
    old = ("n_resamples", "n_permutations")
    return built(Settings, {key: value for key, value in settings.items() if key not in old})


def _pair(sides: Result, kind: Callable[[Any], Any] = lambda value: value) -> tuple[Any, Any]:
    return kind(sides["before"]), kind(sides["after"])


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, found {json_value(value)}")
    return value


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
