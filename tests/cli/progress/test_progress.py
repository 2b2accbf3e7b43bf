"""How far a run is, on a terminal of any size and in a log."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from calibaudit.cli.progress import reporter as reporting
from calibaudit.cli.progress.board import Board, State
from calibaudit.cli.progress.lines import clock_text, log_text, terminal_lines
from calibaudit.cli.progress.reporter import _in_log, _Stages
from tests.command import Cli


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def announced(board: Board, name: str, tasks: dict[str, int]) -> None:
    for task, n in tasks.items():
        board.update(f"{name} {task}", 0, n)


def known(board: Board) -> State:
    state = board.state()
    assert state is not None
    return state


def test_the_whole_run_is_known_at_once_and_the_rest_timed() -> None:
    """Two models of three tasks at 10 items a second; a third of the items was kept, and loading takes its time."""
    clock, tasks = Clock(), {"a": 30, "b": 60, "c": 210}
    board = Board(clock)
    board.expect([("m/base", 300), ("m/tuned", 300)])
    assert (known(board).done, known(board).total) == (0, 600)
    finished = 0
    for name in ("m/base", "m/tuned"):
        clock.now += 500
        announced(board, name, tasks)
        for task, n in tasks.items():
            kept = n // 3
            for done in range(kept, n + 1, 5):
                board.update(f"{name} {task}", done, n)
                state = known(board)
                assert state.done == finished + done
                assert state.total == 600
                if state.left is not None:
                    assert state.left == pytest.approx((600 - state.done) / 10)
                clock.now += 0.5
            assert state.now == f"{name} {task}  {n:,}/{n:,}"
            finished += n
    assert (state.done, state.n_done, state.n_all, state.left) == (600, 6, 6, 0)


def test_no_time_is_told_as_long_as_all_was_kept() -> None:
    board = Board(Clock())
    board.expect([("m", 10), ("n", 10)])
    announced(board, "m", {"a": 10})
    board.update("m a", 10, 10)
    assert known(board).left is None
    assert (known(board).n_done, known(board).n_all) == (1, 2)


def test_one_model_twice_and_both_prompts_of_one_without_a_template() -> None:
    board = Board(Clock())
    board.expect([("m", 40), ("m", 40)])  # both ways, but it turns out to have one
    for _ in range(2):
        announced(board, "m", {"a": 10, "b": 10})
        for task in "ab":
            board.update(f"m {task}", 0, 10)
            board.update(f"m {task}", 10, 10)
    assert (known(board).done, known(board).total) == (40, 40)


def test_answers_behind_thoughts_take_nothing_back() -> None:
    board = Board(Clock())
    board.expect([("m", 10)])
    announced(board, "m", {"a": 10})
    for done in (0, 20, 40):
        board.update("m a", done, 40)  # four thoughts an item
    assert known(board).done == 10
    board.update("m a", 0, 10)
    assert (known(board).done, known(board).total) == (10, 10)


def test_what_no_one_expected_counts_by_itself() -> None:
    """`fix`: models and runs of which nobody knows how many there will be."""
    clock = Clock()
    board = Board(clock)
    board.stage("hashing base, 40 %")
    assert known(board).now == "hashing base, 40 %"
    announced(board, "base", {"a": 10})
    board.update("base a", 10, 10)
    board.stage("")
    assert (known(board).total, known(board).now) == (0, "base a done")
    for step in (1, 2, 3):
        board.update("training", step, 6, f"step {step}/6, loss 1.000", "steps")
        clock.now += 2
    state = known(board)
    assert (state.done, state.total, state.unit, state.left) == (3, 6, "steps", pytest.approx(6))
    assert state.now == "training  step 3/6, loss 1.000"


def test_stages_reach_the_board() -> None:
    board, logger = Board(), logging.getLogger("calibaudit.test_stages")
    logger.addHandler(handler := _Stages(board))
    logger.setLevel(logging.INFO)
    try:
        logger.info("hashing %s", "base", extra={"done": 3_000, "total": 12_000})
        assert known(board).now == "hashing base, 25 %"
        logger.info("loading %s", "base")
        assert known(board).now == "loading base"
        logger.info("", extra={"done": 1, "total": 1})
        assert board.state() is None
    finally:
        logger.removeHandler(handler)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 60),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.text(max_size=300),
    st.none() | st.floats(0, 1e7),
    st.booleans(),
)
def test_it_fits_every_terminal(
    width: int, height: int, one: int, other: int, now: str, left: float | None, ascii_only: bool
) -> None:
    state = State(min(one, other), max(one, other), "items", 4, 18, left, now)
    lines = terminal_lines(state, width, height, ascii_only=ascii_only)
    assert len(lines) <= max(1, min(2, height - 1))
    assert all(len(line) <= max(1, min(79, width - 1)) for line in lines)
    assert "\n" not in "".join(lines)
    if state.total and width >= 40:
        assert f"{100 * state.done // state.total} %" in lines[0]


def test_the_lines_are_these() -> None:
    state = State(1024, 4608, "items", 4, 18, 41.2, "demo:instruct calendar  128/256")
    assert terminal_lines(state, 80, 10) == [
        f"{'━' * 7}{'╌' * 24}  22 %  1,024/4,608 items  4/18 tasks  0:41 left",
        "demo:instruct calendar 128/256",
    ]
    assert terminal_lines(state, 40, 2) == [f"{'━' * 5}{'╌' * 17}  22 %  0:41 left"]
    assert terminal_lines(state, 80, 10, ascii_only=True)[0].startswith("#######-----")
    assert log_text(state) == (
        "1,024 of 4,608 items (22 %), 4 of 18 tasks done, about 41 s left; at demo:instruct calendar 128/256"
    )
    assert [clock_text(s) for s in (0.2, 59.7, 3723)] == ["0:00", "1:00", "1:02:03"]


RUN = """
import sys, time, logging
from calibaudit.cli.progress.reporter import reporter
with reporter(silent=False) as report:
    report.expect([("m", 40), ("n", 40)])
    for name in "mn":
        for task in "abcd":
            report.progress(f"{name} {task}", 0, 10)
        for task in "abcd":
            for done in range(11):
                report.progress(f"{name} {task}", done, 10)
                time.sleep(0.012)
            report.notice(f"{name} {task} is through")
"""


class Screen:
    """As much of a terminal as rich speaks to: line ends, up, erased lines; what scrolls off is kept apart."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height, self.row, self.column = width, height, 0, 0
        self.lines, self.gone = [""] * height, [""][:0]

    def feed(self, text: str) -> None:
        for code, end, said in re.findall(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r|\n|[^\x1b\r\n]+)", text):
            if end == "A":
                self.row = max(0, self.row - int(code or 1))
            elif end == "K":
                self.lines[self.row] = ""
            elif said == "\r":
                self.column = 0
            elif said == "\n":
                self.row += 1
                if self.row == self.height:
                    self.gone.append(self.lines.pop(0))
                    self.lines.append("")
                    self.row -= 1
            elif said:
                assert self.column + len(said) <= self.width, said
                self.lines[self.row] = self.lines[self.row][: self.column].ljust(self.column) + said
                self.column += len(said)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 6), (44, 3)])
def test_in_a_terminal_the_bar_stays_and_goes(width: int, height: int, root: Path) -> None:
    """In a real pty: the bar never scrolls away, notices stand above it once, and nothing of it is left."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    variables = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "TTY_COMPATIBLE")}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=root, stderr=slave, stdout=subprocess.DEVNULL,
        env={**variables, "TERM": "xterm", "PYTHONUTF8": "1"},
    )  # fmt: skip
    os.close(slave)
    screen, seen, text = Screen(width, height), [], b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        if not part:
            break
        text += part
        whole, _, rest = text.rpartition(b"\n")  # characters and codes whole
        screen.feed((whole + b"\n").decode() if whole else "")
        text = rest
        seen.append("\n".join(screen.lines))
    screen.feed(text.decode())
    os.close(master)
    assert process.wait() == 0
    everything = [*screen.gone, *screen.lines]
    notices = [line for line in everything if "is through" in line]
    assert [line.strip() for line in notices] == [f"calibaudit: {m} {t} is through" for m in "mn" for t in "abcd"]
    assert not any("╌" in line or "━" in line for line in everything)
    shares = [int(found) for found in re.findall(r"(\d+) %", "\n".join(seen))]
    assert shares == sorted(shares)
    assert shares[-1] > 50


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=io.StringIO(), width=200)
    board = Board()
    board.expect([("m", 40)])
    with _in_log(console, board, 0.02):
        time.sleep(0.1)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert set(lines) == {"calibaudit: 0 of 40 items (0 %)"}
    assert 2 <= len(lines) <= 5
    console.file.truncate(0)
    with _in_log(console, board, 30.0):
        pass
    assert console.file.getvalue().strip("\0") == ""


@pytest.mark.parametrize("flags", [(), ("-q",), ("--no-progress",)])
def test_in_a_log_the_command_tells_unless_it_is_told_not_to(
    flags: tuple[str, ...], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reporting.EVERY == 30
    monkeypatch.setattr(reporting, "EVERY", 0.05)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as CI systems set it: still no terminal
    ended = cli("score", "demo:base", "-t", "arithmetic", "--limit", 8, *flags)
    assert ended.code == 0
    told = re.sub(r"\x1b\[[0-9;]*m", "", ended.err)
    assert "\x1b" not in told
    if flags:
        assert told == ""
    else:
        assert "calibaudit: 0 of 8 items (0 %)" in told.splitlines()[0] or "demo:base" in told
        assert all(line.startswith("calibaudit: ") for line in told.splitlines())
