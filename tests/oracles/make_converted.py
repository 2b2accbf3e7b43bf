"""Write converted/: foreign/ as `calibaudit tasks convert` writes it, and prompts.json: what the harness asks there.

python tests/oracles/make_converted.py    (needs `pip install lm_eval==0.4.13` beside calibaudit)
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from cases import item_hash

HERE = Path(__file__).resolve().parent
SHOTS = (0, 2)


def asked(task: Any, n_fewshot: int) -> list[str]:
    """One hash an item, from the harness's own requests (`build_all_requests`) and its own rule for the answer."""
    task.set_config("num_fewshot", n_fewshot)
    task.set_fewshot_seed(1234)
    task.build_all_requests()
    items: dict[int, list[Any]] = {}
    for instance in task.instances:
        items.setdefault(instance.doc_id, []).append(instance)
    return [item_hash([i.arguments for i in found], gold(task, found[0].doc)) for found in items.values()]


def gold(task: Any, doc: dict[str, Any]) -> int:
    value = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    return int(value) if isinstance(value, int) else task.doc_to_choice(doc).index(value)


def main() -> None:
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    from calibaudit.tasks.convert.write import convert

    folder = HERE / "converted"
    shutil.rmtree(folder, ignore_errors=True)
    names = ("foreign_letters", "foreign_options", "foreign_inputs")
    mirror = HERE / "foreign" / "mirror"
    convert([str(HERE / "foreign" / f"{name}.yaml") for name in names], folder, mirror=mirror, offline=True)
    found: dict[str, dict[int, list[str]]] = {}
    for name in names:
        config = load_yaml(HERE / "foreign" / f"{name}.yaml")
        config["dataset_path"] = str(mirror / config["dataset_path"])
        found[name] = {n: asked(ConfigurableTask(config=dict(config)), n) for n in SHOTS}
    (folder / "prompts.json").write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
