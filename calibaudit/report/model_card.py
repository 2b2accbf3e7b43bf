"""The README.md of a repaired checkpoint: a model card with its audit."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from calibaudit.repair.fix import Repair
from calibaudit.report.words.repair import MEASURES, how, repair_sentence, repair_warnings, retention, training_facts
from calibaudit.report.words.text import number, signed


def model_card(repair: Repair, out: Path) -> str:
    """Markdown with the hub's metadata in front. Names of local folders are cut to their last part."""
    assert repair.proof is not None
    base, instruct = (_shown(info.name) for info in (repair.base, repair.instruct))
    settings = repair.settings
    a_step = f"{repair.training.rows_per_step:,} rows a step, " if repair.training else ""
    start = base if settings.start == "base" else instruct
    lines = [
        "---",
        yaml.safe_dump(_metadata(repair), sort_keys=False, allow_unicode=True).strip(),
        "---",
        "",
        f"# {out.resolve().name}",
        "",
        f"A repair of `{instruct}`, trained from `{start}` with label smoothing by calibaudit {version('calibaudit')} "
        "so that its confidence is nearer to its accuracy.",
        "",
        f"**{repair_sentence(repair)}**",
        "",
        *_table(repair),
        "",
        f"Items: {_items(repair)}. Neither the tuning data nor the choice of the smoothing factor has seen them. "
        f"Intervals are at {repair.proof.repair.settings.level * 100:g} %, p-values of no change; every figure with "
        "its interval is in `fix.json`.",
        "",
        "## How it was made",
        "",
        f"- {how(repair)}",
        f"- {training_facts(repair)}, {a_step}seed {settings.training.seed}",
        f"- Data: `{_shown(repair.data.source)}`; {repair.data.n_rows:,} rows read, {repair.data.n_faulty:,} unusable, "
        f"{repair.data.n_truncated:,} cut to fit",
        f"- Base: `{base}` ({repair.base.revision}); before: `{instruct}` ({repair.instruct.revision})",
    ]
    if kept := retention(repair):
        lines.append(f"- {kept}")
    warnings = repair_warnings(repair)
    if warnings:
        lines += ["", "## Read this too", "", *(f"- {_shown_text(text)}" for text in warnings)]
    lines += [
        "",
        "## Limits",
        "",
        "What is shown holds for these items, this scoring and this prompt. A smoothed model is a worse teacher for "
        "another model, and abstaining by confidence can get worse with it; neither was measured here.",
        "",
    ]
    return "\n".join(lines)


def _metadata(repair: Repair) -> dict[str, Any]:
    base = repair.base if repair.settings.start == "base" else repair.instruct
    return {"base_model": _shown(base.name), "library_name": "transformers", "tags": ["calibration", "label-smoothing"]}


def _table(repair: Repair) -> list[str]:
    assert repair.proof is not None
    tuning, fixed = repair.proof.tuning.pooled, repair.proof.repair.pooled
    lines = ["| | base | before | after | after − before |", "| --- | ---: | ---: | ---: | ---: |"]
    for title, metric, digits in MEASURES:
        form = signed if metric == "gap" else number
        sides = (tuning.before, fixed.before, fixed.after)
        cells = [form(side.metrics[metric].value, digits) for side in sides]
        lines.append(f"| {title} | {' | '.join(cells)} | {signed(fixed.change[metric].value, digits)} |")
    return lines


def _items(repair: Repair) -> str:
    assert repair.proof is not None
    tasks = repair.proof.repair.tasks
    return f"{repair.proof.repair.pooled.n_items:,} of {', '.join(task.name for task in tasks)}"


def _shown(name: str) -> str:
    """A hub id as it is; of a folder or file only the last part: a card is published, a disk's layout is not."""
    return Path(name).name if Path(name).exists() else name


def _shown_text(text: str) -> str:
    return " ".join(_shown(word) if "/" in word else word for word in text.split(" "))
