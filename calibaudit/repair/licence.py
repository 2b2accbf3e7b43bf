"""Under which licence a repaired checkpoint stands: that of what it was made of, as far as their model cards say."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from calibaudit.advice.tuning_signs import front_matter
from calibaudit.repair.candidates import Repair, Setting
from calibaudit.scores.scores import ModelInfo

KEYS = ("license", "license_name", "license_link")


def sources(base: ModelInfo, instruct: ModelInfo, setting: Setting) -> list[ModelInfo]:
    """Where a repair's weights come from: INSTRUCT; base where it was tuned again; both where they were merged."""
    if setting.method == "merge":
        return [instruct, base]
    return [base if setting.start == "base" else instruct]


def licence_of(repair: Repair) -> dict[str, str]:
    """`license`, `license_name` and `license_link` as the cards say; empty where one says none, or they differ."""
    chosen = repair.chosen
    if chosen is None or chosen.setting is None:
        return {}
    found = [_said(model) for model in sources(repair.base, repair.instruct, chosen.setting)]
    return found[0] if all(one == found[0] for one in found) else {}


def _said(model: ModelInfo) -> dict[str, str]:
    """Of the card in a folder, or of the one in the hub's cache: nothing is fetched."""
    folder = _folder(model)
    front = {} if folder is None else front_matter(folder / "README.md")
    said = {key: front[key] for key in KEYS if isinstance(front.get(key), str) and front[key].strip()}
    return said if "license" in said else {}


def _folder(model: ModelInfo) -> Path | None:
    from calibaudit.errors import CalibauditError
    from calibaudit.files.paths import user_path
    from calibaudit.models.checkpoints import find_checkpoint

    with suppress(CalibauditError):
        folder = user_path(model.name, CalibauditError)
        if folder.is_dir():
            return folder
        if not model.revision.startswith("sha256:"):
            return find_checkpoint(model.name, revision=model.revision, offline=True).path
    return None
