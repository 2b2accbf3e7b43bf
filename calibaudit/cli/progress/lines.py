"""A run's state in words: two lines of a terminal, however small, or one of a log."""

from __future__ import annotations

from calibaudit.cli.progress.board import State
from calibaudit.files.text import log_line, shortened

_MOST_BAR = 40
_LEAST_BAR = 6
_MOST_NAME = 200


def terminal_lines(state: State, width: int, height: int, *, ascii_only: bool = False) -> list[str]:
    """A bar with what is left, and what is at work: as many lines as there is room for beside one of the shell's.

    width, height: of the terminal. No line fills the last column: some terminals would go to the next line. None is
    longer than 79, so that a window made narrower down to that breaks none.
    """
    room = max(1, min(79, width - 1))
    lines = [_bar_line(state, room, ascii_only=ascii_only)] if state.total else []
    if state.now and (height > 2 or not lines):
        lines.append(shortened(log_line(state.now, _MOST_NAME), room))
    return lines[: max(1, height - 1)]


def log_text(state: State) -> str:
    """`1,024 of 4,608 items (22 %), 4 of 18 tasks done, about 2 min left; at base calendar  128/256`."""
    facts = []
    if state.total:
        facts.append(f"{state.done:,} of {state.total:,} {state.unit} ({_percent(state)} %)")
        if state.unit == "items" and state.n_all:
            facts.append(f"{state.n_done} of {state.n_all} tasks done")
    if state.left is not None:
        facts.append(f"about {_told(state.left)} left")
    text = ", ".join(facts)
    return log_line("; ".join(filter(None, (text, f"at {state.now}" if text and state.now else state.now))))


def _bar_line(state: State, room: int, *, ascii_only: bool) -> str:
    left = "" if state.left is None else f"{clock_text(state.left)} left"
    tasks = f"{state.n_done}/{state.n_all} tasks" if state.unit == "items" and state.n_all else ""
    figures = [f"{_percent(state)} %", f"{state.done:,}/{state.total:,} {state.unit}", tasks, left]
    for dropped in ((), (2,), (1, 2)):
        said = "  ".join(text for i, text in enumerate(figures) if text and i not in dropped)
        size = min(_MOST_BAR, room - len(said) - 2)
        if size >= _LEAST_BAR:
            full = round(size * state.done / state.total)
            filled, empty = ("#", "-") if ascii_only else ("━", "╌")
            return f"{filled * full}{empty * (size - full)}  {said}"
    return said[:room]


def _percent(state: State) -> int:
    """Rounded down: nothing is at 100 before it is done."""
    return 100 * state.done // state.total


def clock_text(seconds: float) -> str:
    """`0:41`, `1:02:03`."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _told(seconds: float) -> str:
    """`41 s`, `2 min`, `1 h 20 min`: no more than an estimate is good for."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
