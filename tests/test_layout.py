"""The house is as docs/architecture.md draws it, its folders and modules are small, and what is to start light does."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site.module_files import loaded_from

HEAVY = ("torch", "transformers", "scipy", "pandas", "matplotlib", "datasets", "numpy", "jinja2", "yaml")
ROOT = Path(__file__).resolve().parents[1]


structure = loaded_from(ROOT / ".ci" / "structure.py")
structure.file_graph = functools.cache(structure.file_graph)  # each time it reads every module
MODULES = structure.modules()


def below(*packages: str) -> list[str]:
    return [name for name in MODULES if structure.package_of(name) in packages]


def imported_with(modules: list[str]) -> set[str]:
    """The top-level modules that a new Python holds after importing these."""
    code = f"import sys, {', '.join(modules)}; print(*{{m.partition('.')[0] for m in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_table_is_what_the_imports_say() -> None:
    """Each way: no import that it does not allow, no arrow that no import needs, no package that it forgets."""
    table, graph = structure.table(), structure.package_graph()
    assert set(table) == set(graph)
    assert {f"{one} -> {two}" for one in graph for two in graph[one] - table[one]} == set(), "not in the table"
    assert {f"{one} -> {two}" for one in graph for two in table[one] - graph[one]} == set(), "in the table for nothing"


def test_no_file_imports_the_root_and_no_two_form_a_circle() -> None:
    graph = structure.file_graph()
    assert structure.circles(graph) == []
    assert [name for name, targets in graph.items() if "calibaudit" in targets and name != "calibaudit.__main__"] == []


def test_a_circle_would_be_seen(tmp_path: Path) -> None:
    package = tmp_path / "calibaudit"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from calibaudit.two import A\n"
    )
    (package / "two.py").write_text("def f():\n    from calibaudit import three\n    return three\n")
    (package / "three.py").write_text("import calibaudit.one\n")
    graph = structure.file_graph(tmp_path)
    assert structure.circles(graph) == [["calibaudit.one", "calibaudit.three", "calibaudit.two"]]
    assert structure.longest_chain({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == ["c", "b", "a"]


def test_nothing_but_the_doors_stands_at_the_root() -> None:
    files = {path.name for path in (ROOT / "calibaudit").iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "errors.py", "py.typed"}


def test_folders_and_modules_are_small() -> None:
    assert {folder: n for folder, n in structure.fullness().items() if n > 13} == {}
    assert {module: n for module, n in structure.lengths().items() if n >= 350} == {}
    assert len(structure.longest_chain(structure.package_graph())) <= 10


def test_no_module_is_called_as_what_its_package_hands_on() -> None:
    for name, path in MODULES.items():
        if path.name != "__init__.py":
            continue
        found = re.search(r"^__all__ = \[(.*?)\]", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        handed_on = set(re.findall(r'"(\w+)"', found[1])) if found else set()
        inside = {module.removeprefix(f"{name}.").split(".")[0] for module in MODULES if module.startswith(f"{name}.")}
        assert not handed_on & inside, name


def test_an_init_is_empty_except_where_it_is_a_door() -> None:
    for name, path in MODULES.items():
        if path.name == "__init__.py" and name not in {
            f"calibaudit{part}" for part in ("", ".metrics", ".kernels", ".gating")
        }:
            (only,) = ast.parse(path.read_text("utf-8")).body
            assert isinstance(only, ast.Expr), name


def test_the_page_names_files_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`([a-z]\w*/[\w/]+\.py)`", text)
    assert len(named) > 25
    assert [name for name in named if not (ROOT / "calibaudit" / name).is_file()] == []
    arrows = set(re.findall(r"^    (\w+) --> (\w+)$", text, re.MULTILINE))
    graph = structure.package_graph()
    assert {arrow for arrow in arrows if arrow[0] not in graph[arrow[1]]} == set()
    assert {name for arrow in arrows for name in arrow} == set(graph) - {"errors", "files"}


def test_the_numbers_start_without_networks() -> None:
    light = [*below("metrics", "scores", "analysis", "gating", "files", "errors"), "calibaudit.scoring.evaluate"]
    assert not imported_with(light) & {"torch", "transformers", "datasets", "pandas", "matplotlib"}


def test_the_command_line_starts_light() -> None:
    light = [name for name in below("cli") if name != "calibaudit.cli.environment"]
    assert len(light) > 15
    assert not imported_with(["calibaudit", "calibaudit.__main__", *light]) & set(HEAVY)


@pytest.mark.parametrize("package", sorted({structure.package_of(name) for name in MODULES} - {"", "__main__", "cli"}))
def test_a_packages_door_is_light(package: str) -> None:
    """What stands in an `__init__` is paid by every module of the package."""
    if package != "kernels":  # its door hands on functions that need torch
        assert "torch" not in imported_with([f"calibaudit.{package}"])


TEXT, OUTPUTS = "calibaudit.files.text", "calibaudit.cli.outputs"
TERMINAL, GITHUB = "calibaudit.report.terminal.printing", "calibaudit.report.github"
SINKS: dict[str, set[str]] = {
    r"print|typer\.(echo|secho|print)|click\.\w*echo|traceback\.print_\w+": {GITHUB, "calibaudit.demo.train"},
    r"(?!traceback).+\.print(_json|_exception)?": {TERMINAL},
    r"sys\.(stdout|stderr)\.(buffer\.)?write|os\.write": {OUTPUTS},
    r"csv\.(writer|DictWriter)": {"calibaudit.report.tidy_csv"},
    r"yaml\.(safe_)?dump(_all)?": {TEXT},
    r"logging\.(basicConfig|\w*Handler)": set(),
    r"Markup|markupsafe\.Markup": {"calibaudit.report.document.html"},
    r"ElementTree\.tostring": {"calibaudit.report.junit", "calibaudit.figures.svg"},
    r"json\.dump": set(),
    r"json\.dumps ensure_ascii=False": {
        TEXT,
        "calibaudit.analysis.side_warnings",  # a text in quotes, within a sentence
        "calibaudit.chat.messages",  # what a model is asked
        "calibaudit.demo.train",
    },
}
"""What leaves the program -> the modules that may call it: they make visible what they are given, or it is ours."""


@functools.cache
def calls_in(path: Path) -> set[str]:
    """The dotted names that a module calls; of json.dumps that asks for other letters than ASCII's, that too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            off = {word.arg for word in node.keywords if isinstance(word.value, ast.Constant) and not word.value.value}
            found.add(ast.unparse(node.func) + (" ensure_ascii=False" if "ensure_ascii" in off else ""))
    return found


@pytest.mark.parametrize("sink", SINKS)
def test_what_leaves_the_program_is_made_visible(sink: str) -> None:
    """By a few modules alone, which tests/visible feeds with hostile text."""
    callers = {name for name, path in MODULES.items() if any(re.fullmatch(sink, call) for call in calls_in(path))}
    assert callers - SINKS[sink] == set()
    assert SINKS[sink] - callers == set(), "in the table for nothing"


def test_public_names_resolve() -> None:
    import calibaudit

    for name in calibaudit.__all__:
        assert getattr(calibaudit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = calibaudit.nothing
