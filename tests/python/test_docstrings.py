"""What the API reference is made of: every public function says what it does and takes, every method what it gives."""

from __future__ import annotations

import inspect
import re
from importlib import import_module

import pytest

MODULES = ("calibaudit", "calibaudit.metrics", "calibaudit.kernels", "calibaudit.gating")
PUBLIC = {name: getattr(module, name) for module in map(import_module, MODULES) for name in module.__all__}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isroutine(value)}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}


def named_in(name: str, seen: set[str]) -> str:
    """A function's docstring, and those of the functions that it refers to: `arguments as for ...`."""
    seen.add(name)
    text = inspect.getdoc(FUNCTIONS[name]) or ""
    others = [other for other in re.findall(r"`(\w+)`", text) if other in FUNCTIONS and other not in seen]
    return "\n".join([text, *(named_in(other, seen) for other in others)])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_names_its_parameters(name):
    text = named_in(name, set())
    missing = [word for word in inspect.signature(FUNCTIONS[name]).parameters if not re.search(rf"\b{word}\b", text)]
    assert not missing, missing


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_and_its_members_say_what_they_are(name):
    found = CLASSES[name]
    text = found.__doc__ or ""
    assert len(text) > 20
    assert not text.startswith(f"{name}(")  # what a dataclass without one is given
    for member, value in vars(found).items():
        value = getattr(value, "fget", None) or getattr(value, "func", None) or getattr(value, "__func__", value)
        if not member.startswith("_") and inspect.isfunction(value):
            assert value.__doc__, f"{name}.{member}"
