"""Builds the bundled tasks: `python tasks/build [NAME ...] [--out FOLDER]`, from the project's root.

Each task gets NAME.jsonl (audited) and NAME.train.jsonl (other facts, for tuning and examples), the hard ones in the
folder `hard`. Needs the `dev` extra, which pins the packages that facts come from.
"""

from __future__ import annotations

import argparse
import random
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)  # not this folder: its `calendar` would stand for the standard library's

from build import choosing, making  # noqa: E402


def names() -> list[str]:
    """The tasks that can be built, one a folder."""
    return sorted(path.parent.name for path in (*HERE.glob("*/questions.py"), *HERE.glob("hard/*/questions.py")))


def build(name: str, folder: Path) -> None:
    """Writes NAME.jsonl and NAME.train.jsonl. The seed is the task's name: no task depends on another."""
    rng = random.Random(f"calibaudit {name}")
    package, split = "build", making.split
    if (HERE / "hard" / name).is_dir():
        package, folder, split = "build.hard", folder / "hard", making.split_by_level
    module = import_module(f"{package}.{name}.questions")
    telling = getattr(module, "telling", choosing.never)
    test, train = (choosing.chosen(part, rng, telling) for part in split(module.questions(rng), rng))
    folder.mkdir(parents=True, exist_ok=True)
    making.write(folder / f"{name}.jsonl", making.rows(name, "test", test, rng))
    making.write(folder / f"{name}.train.jsonl", making.rows(name, "train", train, rng))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="tasks to build; all without one")
    parser.add_argument("--out", type=Path, default=HERE.parent, help="where the JSONL files go")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(names()))
    if unknown:
        parser.error(f"no builder named {', '.join(unknown)}: choose from {', '.join(names())}")
    for name in args.names or names():
        build(name, args.out)
        print(f"{name}: {making.N_TEST} audited, {making.N_TRAIN} other questions")


if __name__ == "__main__":
    main()
