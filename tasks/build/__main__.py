"""Builds the bundled tasks: `python tasks/build [NAME ...] [--out FOLDER]`, from the project's root.

Each task gets NAME.jsonl (audited) and NAME.train.jsonl (other facts, for tuning and examples). Needs the `dev` extra,
which pins the packages that facts come from.
"""

from __future__ import annotations

import argparse
import random
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import making

HERE = Path(__file__).resolve().parent
SHARED = ("__main__", "making")


def names() -> list[str]:
    """The tasks that can be built, one a module of this folder."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in SHARED and path.stem[0] != "_")


def builder(name: str) -> ModuleType:
    """The module of one task, by its file: a task may be named like a module of the standard library (calendar)."""
    spec = spec_from_file_location(f"builder_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def build(name: str, folder: Path) -> None:
    """Writes NAME.jsonl and NAME.train.jsonl. The seed is the task's name: no task depends on another."""
    rng = random.Random(f"calibaudit {name}")
    test, train = making.split(builder(name).questions(rng), rng)
    making.write(folder / f"{name}.jsonl", making.rows(name, "test", test, rng))
    making.write(folder / f"{name}.train.jsonl", making.rows(name, "train", train, rng))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="tasks to build; all without one")
    parser.add_argument("--out", type=Path, default=HERE.parent, help="where the JSONL files go")
    args = parser.parse_args()
    sys.path.append(sys.path.pop(0))  # this folder last, for the same reason
    unknown = sorted(set(args.names) - set(names()))
    if unknown:
        parser.error(f"no builder named {', '.join(unknown)}: choose from {', '.join(names())}")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or names():
        build(name, args.out)
        print(f"{name}: {making.N_TEST} audited, {making.N_TRAIN} other questions")


if __name__ == "__main__":
    main()
