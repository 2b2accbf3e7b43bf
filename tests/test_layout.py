"""Imports point one way (docs/architecture.md), and the command line starts light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "scipy", "pandas", "matplotlib", "datasets", "numpy", "jinja2", "yaml")


def allowed(root: Path) -> dict[str, set[str]]:
    """The import table of docs/architecture.md: module -> modules it may import."""
    text = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    table: dict[str, set[str]] = {}
    for modules, targets in re.findall(r"^\| (`.+?`) \| (.+?) \|", text, flags=re.MULTILINE):
        for module in re.findall(r"`(\w+)`", modules):
            assert module not in table, f"{module} stands twice in the table"
            table[module] = set(re.findall(r"`(\w+)`", targets))
    return table


def module_files(root: Path) -> list[Path]:
    return sorted((root / "calibaudit").rglob("*.py"))


def unit(name: str) -> str:
    """calibaudit.metrics.binning -> metrics."""
    return name.split(".")[1] if "." in name else ""


def imports(path: Path) -> set[str]:
    """Units of calibaudit that the file imports anywhere, type-checking blocks aside."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {unit(alias.name) for alias in node.names if alias.name.startswith("calibaudit.")}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            if node.module == "calibaudit":
                found |= {alias.name for alias in node.names}
            elif node.module.startswith("calibaudit."):
                found.add(unit(node.module))
    return found


def test_every_module_is_in_the_table_and_imports_only_what_it_may(root: Path) -> None:
    table = allowed(root)
    package = root / "calibaudit"
    units = set()
    faults = []
    for path in module_files(root):
        name = path.relative_to(package).parts[0].removesuffix(".py")
        if name in ("__init__", "__main__"):
            continue
        units.add(name)
        extra = imports(path) - {name} - table.get(name, set())
        faults += [f"{path.relative_to(root)} imports {target}" for target in sorted(extra)]
    assert not faults
    assert units == set(table), "the table and the package name different modules"


def test_the_table_has_no_circle(root: Path) -> None:
    table = allowed(root)
    done: list[str] = []

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"circle: {' -> '.join((*path, module))}"
        if module not in done:
            for target in sorted(table[module]):
                visit(target, (*path, module)) if target in table else None
            done.append(module)

    for module in table:
        visit(module, ())


def test_no_module_is_long(root: Path) -> None:
    long = [f"{p.relative_to(root)}: {n}" for p in module_files(root) if (n := len(p.read_text().splitlines())) > 350]
    assert not long


@pytest.mark.parametrize("module", ["calibaudit", "calibaudit.cli.app"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & set(HEAVY)


def test_metrics_need_no_torch() -> None:
    code = "import sys, calibaudit.metrics as m; m.ece([.5, .7], [1, 0]); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_public_names_resolve() -> None:
    import calibaudit

    for name in calibaudit.__all__:
        assert getattr(calibaudit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = calibaudit.nothing
