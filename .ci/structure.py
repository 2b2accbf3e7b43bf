"""Measures the house: how full its folders are, how long its modules, who imports whom; `python .ci/structure.py`.

Every import counts, also those in functions and under TYPE_CHECKING. tests/test_layout.py holds the bounds.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "calibaudit"
FOLDERS = ("calibaudit", "tasks/build", "tests", "benchmarks")


def module_name(path: Path, root: Path = ROOT) -> str:
    """calibaudit/metrics/__init__.py -> calibaudit.metrics."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    return {module_name(path, root): path for path in sorted((root / PACKAGE).rglob("*.py"))}


def imports(path: Path, known: Iterable[str]) -> set[str]:
    """The modules among `known` that a file imports, wherever the import stands."""
    known = set(known)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}: relative import")
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found |= {name} if name in known else {node.module} & known
    return found


def file_graph(root: Path = ROOT) -> dict[str, set[str]]:
    """module -> the modules of the package that it imports."""
    known = modules(root)
    return {name: imports(path, known) - {name} for name, path in known.items()}


def package_of(module: str) -> str:
    """calibaudit.metrics.binning -> metrics; the root's own files by their names; the root itself is ''."""
    return module.split(".")[1] if "." in module else ""


def package_graph(root: Path = ROOT) -> dict[str, set[str]]:
    """package -> the packages that it imports; without the root's doors, `__init__` and `__main__`."""
    graph: dict[str, set[str]] = {}
    for module, targets in file_graph(root).items():
        if (package := package_of(module)) not in ("", "__main__"):
            graph.setdefault(package, set()).update({package_of(target) for target in targets} - {package})
    return graph


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Sets of nodes that reach each other, each sorted (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            circle = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(circle) > 1:
                found.append(sorted(circle))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def longest_chain(graph: Mapping[str, set[str]]) -> list[str]:
    """The longest way along the arrows, from the ground up. The graph must have no circle."""
    best: dict[str, list[str]] = {}

    def chain(node: str) -> list[str]:
        if node not in best:
            below = max((chain(target) for target in sorted(graph.get(node, ()))), key=len, default=[])
            best[node] = [*below, node]
        return best[node]

    return max((chain(node) for node in sorted(graph)), key=len, default=[])


def fullness(root: Path = ROOT) -> dict[str, int]:
    """folder -> how many .py files it holds, fullest first."""
    counts: dict[str, int] = {}
    for top in FOLDERS:
        for path in (root / top).rglob("*.py"):
            folder = str(path.parent.relative_to(root))
            counts[folder] = counts.get(folder, 0) + 1
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def lengths(root: Path = ROOT) -> dict[str, int]:
    """module of the package -> its lines, longest first."""
    found = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules(root).items()}
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))


def table(root: Path = ROOT) -> dict[str, set[str]]:
    """The import table of docs/architecture.md: package -> packages it may import."""
    text = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for package, targets in re.findall(r"^\| `(\w+)` \| (.+?) \|", text, flags=re.MULTILINE):
        if package in found:
            raise ValueError(f"docs/architecture.md: `{package}` stands twice in the table")
        found[package] = set(re.findall(r"`(\w+)`", targets))
    return found


def report() -> Iterator[str]:
    graph, files = package_graph(), file_graph()
    at_root = sorted(path.name for path in (ROOT / PACKAGE).iterdir() if path.is_file())
    yield f"files at the root of {PACKAGE}/: {', '.join(at_root)}"
    yield f"modules: {len(files)} in {len(graph)} packages and files of the root; arrows among files: " + str(
        sum(map(len, files.values()))
    )
    folder, most = next(iter(fullness().items()))
    yield f"fullest folder: {folder} with {most} .py files"
    module, lines = next(iter(lengths().items()))
    yield f"longest module: {module} with {lines} lines"
    chain = longest_chain(graph)
    yield f"longest chain of packages: {len(chain)}: {' > '.join(chain)}"
    yield f"circles among files, type-checking imports counted: {circles(files) or 'none'}"
    yield f"the table of docs/architecture.md is what the imports say: {table() == graph}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(report()) + "\n")
