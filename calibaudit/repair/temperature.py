"""Stub until the branch comes."""
from typing import Any
def choose_temperature(*a: Any, **k: Any) -> Any: raise NotImplementedError
def write_tempered(*a: Any, **k: Any) -> Any: raise NotImplementedError
def same_first_choices(*a: Any, **k: Any) -> Any: raise NotImplementedError
