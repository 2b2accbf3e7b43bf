"""The README.md of a repaired checkpoint: a model card with its audit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from calibaudit.files.paths import is_there
from calibaudit.files.text import one_line, yaml_text
from calibaudit.repair.candidates import Repair, Setting
from calibaudit.repair.licence import sources
from calibaudit.report.cards.metadata import TAGS, dataset_id, hub_id, measured, metadata
from calibaudit.report.cards.section import BEGIN, END, by_task, explained
from calibaudit.report.document.markdown import escaped, table_cell
from calibaudit.report.document.tables import Table
from calibaudit.report.repair_page import KEPT_NOTE, repair_page

_MOST_NAME, _MOST_SENTENCE = 200, 3_000
_WHAT = {
    "temperature": "its logits divided by a temperature",
    "aligned": "its logits divided by a temperature",
    "merge": "its weights merged with those of the base model",
    "smooth": "tuned with label smoothing",
}


def model_card(repair: Repair, out: Path, licence: Mapping[str, str] | None = None) -> str:
    """Markdown with the hub's metadata in front. Names of local folders are cut to their last part.

    licence: what the cards of the models it was made of say (`repair.licence`); None: nothing is known.
    """
    assert repair.proof is not None
    chosen, page = repair.chosen, repair_page(repair)
    assert chosen is not None
    assert chosen.setting is not None
    assert page.measures is not None
    base, instruct = (_shown(info.name) for info in (repair.base, repair.instruct))
    proof = repair.proof.repair
    names = [
        repair.base.name,
        repair.instruct.name,
        proof.after.name,
        "" if repair.data is None else repair.data.source,
    ]
    lines = [
        "---",
        yaml_text(_metadata(repair, chosen.setting, out, licence or {})).strip(),
        "---",
        "",
        f"# {escaped(out.resolve().name)}",
        "",
        f"A repair of {_code(instruct)} by calibaudit {version('calibaudit')}: {_WHAT[chosen.method]}. "
        "Its confidence is meant to match its accuracy.",
        "",
        BEGIN,
        "## Calibration",
        "",
        f"**{_shown_text(page.sentence, names)}**",
        "",
        *_table(page.measures, "all items"),
        "",
        *by_task(proof),
        "",
        explained(proof),
        "",
        f"Items: {proof.pooled.n_items:,}. They were used neither for tuning nor for choosing the repair. "
        f"Intervals are at {proof.settings.level * 100:g} %, p-values test for no change; every figure with its "
        "interval is in `fix.json`.",
        END,
        "",
    ]
    if page.candidates is not None:
        lines += ["## What was tried", "", *_table(page.candidates, "method"), "", f"{KEPT_NOTE}."]
        lines += ["", *(f"- {_shown_text(text, names)}" for text in page.choice), ""]
    lines += ["## How it was made", "", *(f"- {_shown_text(text, names)}" for text in page.how)]
    if repair.training is not None:
        lines.append(f"- Seed of the training: {repair.settings.training.seed}")
    lines.append(
        f"- Base: {_code(base)} ({escaped(repair.base.revision)}); before: {_code(instruct)} "
        f"({escaped(repair.instruct.revision)})"
    )
    lines += ["", "## Limitations", "", *(f"- {_shown_text(text, names)}" for text in page.warnings)]
    lines += [*([""] if page.warnings else []), _limits(chosen.setting), ""]
    if not licence:
        made_of = " and ".join(
            _code(_shown(info.name)) for info in sources(repair.base, repair.instruct, chosen.setting)
        )
        lines += [
            f"Licence: the model cards of {made_of} name none that holds here: add `license` to the metadata.",
            "",
        ]
    return "\n".join(lines)


def _limits(setting: Setting) -> str:
    shown = "These results hold for these items, this scoring and this prompt."
    if setting.method != "smooth":
        return shown
    return (
        f"{shown} A smoothed model is a worse teacher for another model, and abstaining by confidence can get worse "
        "with it; neither was measured here."
    )


def _metadata(repair: Repair, setting: Setting, out: Path, licence: Mapping[str, str]) -> dict[str, Any]:
    """base_model: of what it was made, as far as that is on the hub. datasets: where the tuning rows are."""
    assert repair.proof is not None
    found: dict[str, Any] = dict(licence)
    made_of = [name for name in map(hub_id, sources(repair.base, repair.instruct, setting)) if name is not None]
    if made_of:
        found["base_model"] = made_of[0] if len(made_of) == 1 else made_of
    if setting.method in ("merge", "smooth") and made_of:
        found["base_model_relation"] = "merge" if setting.method == "merge" else "finetune"
    found |= {"library_name": "transformers", "pipeline_tag": "text-generation"}
    rows = None if repair.data is None or setting.method != "smooth" else dataset_id(repair.data.source)
    if rows is not None:
        found["datasets"] = [rows]
    more = {"smooth": ["label-smoothing"], "merge": ["merge"]}.get(setting.method, [])
    name = one_line(out.resolve().name, _MOST_NAME)
    return metadata(found, [*TAGS, *more], measured(repair.proof.repair, name, version("calibaudit")))


def _table(table: Table, first: str) -> Sequence[str]:
    heads = [column for head in table.heads for column in head.columns]
    lines = [f"| {first} | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    return [
        *lines,
        *(f"| {escaped(row.name)} | {' | '.join(map(table_cell, row.cells))} |" for row in table.rows),
    ]


def _shown(name: str) -> str:
    """A hub id as it is; of a folder or file only the last part: a card is published, a disk's layout is not."""
    return one_line(Path(name).name if is_there(name) else name, _MOST_NAME)


def _code(name: str) -> str:
    """A name as code, where it is a usual one."""
    return f"`{name}`" if re.fullmatch(r"[\w./-]+", name) else escaped(name)


def _shown_text(text: str, names: Sequence[str]) -> str:
    """The same of the names in a text, and of every word of it that is a whole path."""
    for name in sorted(filter(None, names), key=len, reverse=True):
        text = text.replace(name, _shown(name))
    words = []
    for word in text.split(" "):
        bare = word.strip("()[],;:.")
        words.append(word.replace(bare, _shown(bare)) if bare.startswith("/") and len(bare) > 1 else word)
    return escaped(" ".join(words), _MOST_SENTENCE)
