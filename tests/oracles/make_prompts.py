"""Write prompts.json: what lm-evaluation-harness itself makes of every case. Needs `pip install lm_eval==0.4.13`.

python tests/oracles/make_prompts.py [../shared]
"""

from __future__ import annotations

import copy
import importlib.metadata
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from cases import CASES, Case, item_hash, write_mirror

HERE = Path(__file__).resolve().parent


def make(case: Case, mirror: Path, shared: Path, cache: Path) -> list[str]:
    """One hash an item. cache: an empty folder; `datasets` would hand one case the rows of another of the same name."""
    import lm_eval
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    config: dict[str, Any] = {"task": "case"}
    if case.theirs is not None:
        config = load_yaml(Path(lm_eval.__file__).parent / "tasks" / case.theirs)
    config = {key: value for key, value in config.items() if key not in ("tag", "task_alias")}
    config |= copy.deepcopy(case.keys)
    made_up = mirror / config["dataset_path"]
    config["dataset_path"] = str(
        made_up if not case.shared or made_up.parent.name == "real" else shared_hub(shared, config)
    )
    config["dataset_kwargs"] = {**(config.get("dataset_kwargs") or {}), "cache_dir": str(cache)}
    task = ConfigurableTask(config=config)
    if task.config.num_fewshot != 0 and case.num_fewshot is not None:
        task.set_config("num_fewshot", case.num_fewshot)
    task.set_fewshot_seed(1234)
    task.build_all_requests(limit=case.limit)
    items: dict[int, list[Any]] = {}
    for instance in task.instances:
        items.setdefault(instance.doc_id, []).append(instance)
    return [item_hash([i.arguments for i in instances], gold(task, instances[0].doc)) for instances in items.values()]


def shared_hub(shared: Path, config: dict[str, Any]) -> Path:
    return shared / "data" / "hub" / config["dataset_path"]


def gold(task: Any, doc: dict[str, Any]) -> int:
    """The right choice's index, by the rule of lm-eval's own process_results."""
    value = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    return int(value) if isinstance(value, int) else task.doc_to_choice(doc).index(value)


def main() -> None:
    shared = Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parents[1] / ".." / "shared").resolve()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as caches:
        mirror = Path(folder)
        write_mirror(mirror, shared)
        found = {}
        for index, case in enumerate(CASES):
            found[case.name] = make(case, mirror, shared, Path(caches) / str(index))
    result = {"lm_eval": importlib.metadata.version("lm_eval"), "items": found}
    (HERE / "prompts.json").write_text(json.dumps(result, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
