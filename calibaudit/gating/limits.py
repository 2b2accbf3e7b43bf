"""What a gate holds a candidate to: its limits, where each comes from, and when one is looser than the baseline's.

A blessed baseline holds limits of its own. Whoever may change flags and settings files may tighten them and no more: a
candidate that the baseline's limits would stop is stopped by every set of limits that `in_force` gives.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibaudit.analysis.settings import Settings, as_plain, plain_number
from calibaudit.errors import CalibauditError, told
from calibaudit.files.text import json_kind

MAXIMA = ("max_ece", "max_gap", "max_brier")
NAMES = ("margin", "alpha", *MAXIMA, "min_items", "strict", "bins")
"""What a baseline holds: the fields of `Limits`, and the bins that ECE is counted in."""

Value = float | int | bool | None


@dataclass(frozen=True)
class Limits:
    """What the gate holds a candidate to.

    margin: a worsening of ECE or |gap| (both in [0, 1]) that is no alarm. alpha: rate of false alarms, all tasks
    together. max_ece, max_gap (|confidence - accuracy|), max_brier (in [0, 2]): limits on the candidate itself; None:
    no such limit. min_items: what a task needs to be judged on its own. strict: inconclusive is no pass.
    Raises CalibauditError on a value outside its range.
    """

    margin: float = 0.02
    alpha: float = 0.05
    max_ece: float | None = None
    max_gap: float | None = None
    max_brier: float | None = None
    min_items: int = 100
    strict: bool = False

    def __post_init__(self) -> None:
        as_plain(self, "margin", "alpha", *MAXIMA, "min_items")
        for name, top in (("margin", 1), ("alpha", 0.5), ("max_ece", 1), ("max_gap", 1), ("max_brier", 2)):
            value = getattr(self, name)
            if value is None and name in MAXIMA:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < top:
                raise CalibauditError(f"{name} is {value}; it must be a number above 0 and below {top}")
        if isinstance(self.min_items, bool) or not isinstance(self.min_items, int) or self.min_items < 1:
            raise CalibauditError(f"min_items is {self.min_items}; it must be a whole number of at least 1")
        if not isinstance(self.strict, bool):
            raise CalibauditError(f"strict is {self.strict!r}; it must be true or false")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)


def checked_limits(limits: object) -> Limits:
    """The limits; the defaults for None. Raises CalibauditError for anything else."""
    if limits is None:
        return Limits()
    if not isinstance(limits, Limits):
        margin = plain_number(limits)
        shown = margin if isinstance(margin, float) and 0 < margin < 1 else Limits.margin
        raise CalibauditError(f"limits is {told(limits)}; give calibaudit.Limits(margin={shown})")
    return limits


@dataclass(frozen=True)
class Given:
    """A value that someone gave. source: the flag with its dashes, or the path of a settings file."""

    value: Value
    source: str


@dataclass(frozen=True)
class InForce:
    """A limit that holds. name: one of NAMES. source: `baseline`, `default`, a flag, or a settings file.

    is_looser: whether the baseline holds a tighter one, which was set aside.
    """

    name: str
    value: Value
    source: str
    is_looser: bool = False

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Rules:
    """limits, bins: what a candidate is judged by. in_force: each of them, in the order of NAMES, with its source.

    from_baseline: whether the baseline holds limits; older ones, saved scores and checkpoints hold none.
    """

    limits: Limits
    bins: int
    in_force: tuple[InForce, ...]
    from_baseline: bool

    def values(self) -> dict[str, Value]:
        """By name, as a baseline holds them."""
        return {entry.name: entry.value for entry in self.in_force}


DEFAULTS: dict[str, Value] = {**dataclasses.asdict(Limits()), "bins": Settings().n_bins}


def is_looser(name: str, value: Value, held: Value) -> bool:
    """Whether `value` could let a candidate through that `held` would stop.

    Of alpha, min_items and bins that is any other value: a lower alpha finds less, a higher one narrows the bounds that
    a pass hangs on; a task more that is judged leaves less of alpha to each; and other bins see other errors.
    """
    if name in ("alpha", "min_items", "bins"):
        return value != held
    if name == "strict":
        return bool(held) and not value
    if held is None:
        return False
    return value is None or value > held


def in_force(
    given: Mapping[str, Given], held: Mapping[str, Value] | None, *, baseline: str, allow_looser: bool = False
) -> Rules:
    """The limits of flags and files where they name one, else the baseline's, else the defaults.

    given: by name. held: what the baseline holds, see `held_limits`; None where it holds nothing. baseline: its name.
    Raises CalibauditError for a value out of its range and, unless `allow_looser`, for one looser than the baseline's.
    """
    found = []
    for name in NAMES:
        value, source = (DEFAULTS[name], "default") if held is None else (held[name], "baseline")
        looser = False
        if name in given:
            value, source = given[name].value, given[name].source
            _check_given(name, value)
            looser = held is not None and is_looser(name, value, held[name])
        found.append(InForce(name, value, source, looser))
    rules = _rules(found, held is not None)
    loosened = [entry for entry in found if entry.is_looser]
    if held is not None and loosened and not allow_looser:
        entry = loosened[0]
        where = "" if entry.source == _flag(entry.name) else f" ({entry.source})"
        word = "is not" if entry.name in ("alpha", "min_items", "bins") else "is looser than"
        raise CalibauditError(
            f"{_flag(entry.name)} {_shown(entry.value)}{where} {word} the {_shown(held[entry.name])} that "
            f"{baseline} holds; bless it again with other limits, or give --allow-looser on the command line"
        )
    return rules


def held_limits(entry: object, source: str) -> dict[str, Value] | None:
    """A baseline's own limits, of its entry `limits`; None where it has none.

    Raises CalibauditError naming `source` for one that is unknown, missing or out of its range: a limit that is not
    understood must not be passed over.
    """
    if entry is None:
        return None
    if not isinstance(entry, Mapping):
        raise CalibauditError(f"{source}: its limits: expected a table, found {json_kind(entry)}; bless it again")
    for name in entry:
        if name not in NAMES:
            near = difflib.get_close_matches(str(name), NAMES, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; a newer calibaudit may have written it"
            raise CalibauditError(f"{source}: its limits hold {name!r:.60}, which this calibaudit does not know{hint}")
    for name in NAMES:
        if name not in entry:
            raise CalibauditError(f"{source}: its limits lack {name!r}; bless it again")
    values: dict[str, Value] = {name: entry[name] for name in NAMES}
    try:
        _rules([InForce(name, value, "baseline") for name, value in values.items()], True)
    except CalibauditError as error:
        raise CalibauditError(f"{source}: its limits: {error}; bless it again") from None
    return values


def _rules(found: Sequence[InForce], from_baseline: bool) -> Rules:
    values: dict[str, Any] = {entry.name: entry.value for entry in found}
    bins = values.pop("bins")
    if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= 1000:
        raise CalibauditError(f"bins is {bins!r:.60}; it must be a whole number from 1 to 1000")
    return Rules(Limits(**values), bins, tuple(found), from_baseline)


def _check_given(name: str, value: Value) -> None:
    """Raises CalibauditError that names the flag, where the value is out of its range."""
    try:
        _rules([InForce(other, value if other == name else DEFAULTS[other], "default") for other in NAMES], False)
    except CalibauditError as error:
        raise CalibauditError(f"{_flag(name)} {str(error).removeprefix(f'{name} ')}") from None


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _shown(value: Value) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
