"""Exit codes that hold whatever becomes of the streams, of signals, and of several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_scores import TUNED, made_scores, save

from calibaudit.cli import processes
from calibaudit.cli.processes import run_in
from calibaudit.errors import CalibauditError
from tests.command import signalled

ROOT = Path(__file__).resolve().parents[3]
CALL = f"{sys.executable} -m calibaudit"


def environment() -> dict[str, str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    return {**outside, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "80"}


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], cwd=cwd, env=environment(), capture_output=True, encoding="utf-8", timeout=120
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good.json, and worse.json, which regressed."""
    found = tmp_path_factory.mktemp("exits")
    save(found / "good.json", [made_scores(300)])
    save(found / "worse.json", [made_scores(300, heat=3.0, model=TUNED)])
    return found


UNUSABLE = "gate nowhere.json worse.json"
REGRESSED = "gate good.json worse.json"

full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that takes nothing")


@full
@pytest.mark.parametrize(
    ("call", "streams", "code"),
    [
        (UNUSABLE, "2>/dev/full", 2),
        (UNUSABLE, "2>&-", 2),
        (UNUSABLE, ">&- 2>&-", 2),
        (UNUSABLE, "<&- >/dev/full 2>/dev/full", 2),
        (REGRESSED, ">&-", 1),
        (REGRESSED, "2>/dev/full", 1),
        # the page is the result: where it cannot be told, the call is unusable, and that is said
        (REGRESSED, ">/dev/full", 2),
    ],
)
def test_closed_and_full_streams(folder: Path, call: str, streams: str, code: int) -> None:
    done = shell(f"{CALL} {call} {streams}", folder)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    if streams == ">/dev/full":
        assert done.stderr.startswith("calibaudit: stdout cannot be written: No space left on device; ")
        assert len(done.stderr.splitlines()) == 1
    else:
        assert done.stderr == ""


@pytest.mark.parametrize("call", ["tasks show arithmetic", "tasks", REGRESSED])
def test_a_reader_that_leaves_is_141(folder: Path, call: str) -> None:
    command = [sys.executable, "-m", "calibaudit", *call.split()]
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait(60)) == (b"", 141)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process has loaded is read from /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
@pytest.mark.parametrize("several", [False, True])
def test_signals(tmp_path: Path, number: int, code: int, several: bool) -> None:
    words = [*(["--processes", "2"] if several else []), "score", "demo:base", "-t", "arithmetic", "--no-cache"]
    ended = signalled(
        [sys.executable, "-m", "calibaudit", *words, "--no-progress"], number, tmp_path, environment(), several=several
    )
    expected = 128 + number if several and number == signal.SIGTERM else code
    assert (ended.code, ended.out) == (expected, "")
    assert "Traceback" not in ended.err
    assert ended.err.startswith("calibaudit: interrupted") == (number == signal.SIGINT)


def test_an_interrupt_while_the_command_line_is_imported(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; from calibaudit.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_several_processes_end_with_the_commands_own_code_and_one_line(folder: Path) -> None:
    done = shell(f"{CALL} --processes 2 {UNUSABLE}", folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "calibaudit: nowhere.json: no such file; write it with `calibaudit bless` or `calibaudit score -o`\n"
    )
    done = shell(f"{CALL} --processes 2 {REGRESSED}", folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("Regressed:") == 1
    done = shell(f"WORLD_SIZE=2 RANK=0 {CALL} --processes 2 {REGRESSED}", folder)
    assert done.returncode == 2
    assert "torchrun (WORLD_SIZE, RANK) has started processes already" in done.stderr


def test_torchrun_flattens_codes_but_our_processes_end_without_a_traceback(folder: Path) -> None:
    """What docs/parallel.md says of it: 1 whatever happened, and a report of its own that names our code."""
    done = shell(f"{sys.executable} -m torch.distributed.run --nproc-per-node 2 -m calibaudit {UNUSABLE}", folder)
    assert done.returncode == 1
    assert "exitcode  : 2" in done.stderr
    own = done.stderr[: done.stderr.index("Traceback")]
    assert own.count("calibaudit: nowhere.json: no such file") in (1, 2)  # the second may be ended before it has told
    assert done.stderr.count("Traceback") == 1  # torchrun's


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        # each of the two as (process 0, process 1)
        ("sys.exit(0)", 0, ""),
        ("sys.exit((1, 0)[rank])", 1, ""),
        ("print('theirs', file=sys.stderr); sys.exit((2, 2)[rank])", 2, ""),
        # the first waits for the second, which failed: its words are shown, its code is taken
        ("print('theirs', file=sys.stderr) if rank else time.sleep(60); sys.exit((0, 3)[rank])", 3, "theirs"),
        ("time.sleep(60) if not rank else os.kill(os.getpid(), 9)", 128 + 9, ""),
        # both fail, the second sooner: the first one's word counts
        ("time.sleep(0 if rank else .3); sys.exit((1, 2)[rank])", 1, ""),
    ],
)
def test_which_process_speaks(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], script: str, code: int, said: str
) -> None:
    monkeypatch.setattr(processes, "_CHILD", f"import os, sys, time; rank = int(os.environ['RANK']); {script}")
    monkeypatch.setattr(processes, "_GRACE", 0.8)
    began = time.monotonic()
    assert run_in(2, []) == code
    assert time.monotonic() - began < 20
    err = capfd.readouterr().err.replace("theirs\n", "theirs", 1)
    assert err.count("theirs") == (1 if said or "theirs" in script else 0)


def test_each_process_knows_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
    child = f"import os; open('{tmp_path}/' + os.environ['RANK'], 'w').write(' '.join(os.environ[n] for n in {names}))"
    monkeypatch.setattr(processes, "_CHILD", child)
    assert run_in(3, []) == 0
    assert [(tmp_path / str(i)).read_text() for i in range(3)] == [f"{i} {i} 3 3" for i in range(3)]
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(CalibauditError, match="drop one"):
        run_in(2, [])


REFUSED = [
    *(
        ("tuned --base base", flag, f"{flag}: ")
        for flag in ("--warmup 2", "--weight-decay -1", "--report-to nowhere", "--softcap 0")
    ),
    ("demo:instruct --base demo:base", "--data none.jsonl", "none.jsonl: there is no such file or folder"),
    ("demo:instruct --base demo:base", "--data demo:rows", "demo:rows: the bundled tuning data are demo:sft"),
    ("./none --base demo:base", "", "./none: no such folder"),
    ("demo:instruct --base ./none", "", "./none: no such folder"),
    ("demo:instruct --base server:http://a#b", "", "server:http://a#b: a served model has no weights here"),
]

EACH = """
import sys
from calibaudit.cli.app import main

for line in sys.stdin.read().splitlines():
    sys.argv = ["calibaudit", *line.split()]
    try:
        main()
    except SystemExit as end:
        print("ended with", end.code, file=sys.stderr)
    assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What one process says on stderr to each of REFUSED, and after it the exit code: it never loads PyTorch."""
    done = subprocess.run(
        [sys.executable, "-c", EACH], cwd=tmp_path_factory.mktemp("refused"), env=environment(), encoding="utf-8",
        input="\n".join(f"fix {pair} --out out {flag}" for pair, flag, _ in REFUSED), capture_output=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done
    lines = done.stderr.splitlines()
    ends = [i for i, line in enumerate(lines) if line.startswith("ended with ")]
    return [lines[start:end] for start, end in zip([0, *(i + 1 for i in ends)], [i + 1 for i in ends], strict=False)]


@pytest.mark.parametrize("case", range(len(REFUSED)), ids=[" ".join(entry[:2]) for entry in REFUSED])
def test_what_cannot_be_repaired_is_told_before_torch_starts(refusals: list[list[str]], case: int) -> None:
    assert len(refusals) == len(REFUSED)
    told, code = refusals[case]
    assert code == "ended with 2"
    assert told.startswith(f"calibaudit: {REFUSED[case][2]}")
