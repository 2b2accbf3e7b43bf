"""Several processes on one cache: what one computes the others do not, and none waits for what does not come."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibaudit.files import claims
from calibaudit.files.checked_lines import sealed
from calibaudit.files.claims import Claims
from calibaudit.models.model import Model, load_model
from calibaudit.scoring import batches
from calibaudit.scoring import cache as caches
from calibaudit.scoring.cache import ItemCache, PromptResult
from calibaudit.scoring.score import score
from tests.command import in_a_process
from tests.families import save_tiny
from tests.whole_rows import make_task

fcntl = pytest.importorskip("fcntl", reason="needs locks that a process's end releases: not on Windows")

N_ITEMS, BATCH = 181, 4  # rows a batch, and a row an item


def shared(folder: Path) -> None:
    """Two processes `together`, and two of which the first is `killed` in the middle, each forked off a loaded one."""
    model, root, read, task = (
        load_model(str(folder), device="cpu"),
        folder.parent,
        batches.read_rows,
        make_task(N_ITEMS),
    )
    n_rows = 0

    def slowly(*arguments: Any) -> Iterator[Any]:
        nonlocal n_rows
        for indices, values in read(*arguments):
            n_rows += len(indices)
            time.sleep(0.01)
            yield indices, values

    batches.read_rows = slowly

    def begun(case: str, name: str) -> int:
        (root / case).mkdir(exist_ok=True)
        if pid := os.fork():
            return pid
        with (root / case / name).open("w") as told:
            scores = score(
                task, model, batch_size=BATCH, cache_dir=root / case,
                progress=lambda done, total: print(done, file=told, flush=True),
            )  # fmt: skip
            print(json.dumps([n_rows, scores.logprobs.clip(-1e9).tolist()]), file=told)
        os._exit(0)

    def until(case: str, name: str, n: int) -> None:
        while not any(int(line) >= n for line in (root / case / name).read_text().split("\n")[:-1]):
            time.sleep(0.005)

    for pid in [begun("together", "one"), begun("together", "two")]:
        os.waitpid(pid, 0)

    first = begun("killed", "one")
    time.sleep(0.1)
    until("killed", "one", 20)
    second = begun("killed", "two")
    time.sleep(0.1)
    until("killed", "two", 60)
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    os.waitpid(second, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("shared") / "model")


@pytest.fixture(scope="module")
def alone(folder: Path) -> Any:
    """The log-probabilities without a cache."""
    return score(make_task(N_ITEMS), load_model(str(folder), device="cpu")).logprobs.clip(-1e9)


@pytest.fixture(scope="module")
def ran(folder: Path) -> Path:
    """What two processes did: `together`, and with the first `killed` in the middle."""
    in_a_process(shared, folder)
    return folder.parent


def told_by(path: Path) -> tuple[int, list[int], Any]:
    """Rows that a process ran, the counts that it told, its log-probabilities."""
    *told, last = path.read_text().splitlines()
    n_rows, logprobs = json.loads(last)
    return n_rows, [int(line) for line in told], np.array(logprobs)


def lines(cache: Path) -> Counter[str]:
    """How often each key stands in the file of items."""
    (path,) = (cache / "scores").glob("*.jsonl")
    return Counter(json.loads(line)["key"] for line in path.read_text().splitlines()[1:])


def test_two_processes_share_the_work(ran: Path, alone: Any) -> None:
    """The figure without claims was 699 lines for 181 items, of four processes."""
    found = [told_by(ran / "together" / name) for name in ("one", "two")]
    counts = lines(ran / "together")
    n_distinct = len(counts)
    assert sum(counts.values()) - n_distinct <= 2 * BATCH, counts.most_common(3)
    n_rows = [n for n, _, _ in found]
    assert sum(n_rows) <= n_distinct + 2 * BATCH
    assert min(n_rows) > n_distinct // 5, "both worked"
    for _, told, logprobs in found:
        assert told[-1] == N_ITEMS
        assert told == sorted(told)
        np.testing.assert_allclose(logprobs, alone, atol=1e-4)


def test_what_a_killed_process_was_at_is_done_by_the_other(ran: Path, alone: Any) -> None:
    assert "[" not in (ran / "killed" / "one").read_text(), "it was killed before its end"
    _, told, logprobs = told_by(ran / "killed" / "two")
    np.testing.assert_allclose(logprobs, alone, atol=1e-4)
    assert told[0] >= 20
    assert told[-1] == N_ITEMS
    assert sum(lines(ran / "killed").values()) <= N_ITEMS + BATCH


def result(key: str) -> PromptResult:
    return PromptResult(key, (-1.5, -0.5), (1, 2), truncated=False)


HOLD = """
import sys, time
from pathlib import Path
from calibaudit.scoring.cache import ItemCache
with ItemCache(Path(sys.argv[1]), {}) as cache:
    assert cache.claim("a")
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path, root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that claims "a" and does nothing."""
    env = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_claim_goes_with_its_process(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with ItemCache(tmp_path, {}) as cache:
        assert not cache.claim("a")
        assert cache.claim("b")
        holder.kill()
        holder.wait()
        cache.wait(["a"])
        assert cache.claim("a")


def test_a_process_that_stands_still_is_not_waited_for(
    holder: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caches, "PATIENCE", 0.3)
    os.kill(holder.pid, signal.SIGSTOP)
    with ItemCache(tmp_path, {}) as cache:
        began = time.monotonic()
        cache.wait(["a"])
        assert 0.2 < time.monotonic() - began < 5
        assert cache.claim("a")


def test_what_the_other_finished_is_read_at_the_claim(tmp_path: Path) -> None:
    with ItemCache(tmp_path, {}) as one, ItemCache(tmp_path, {}) as two:
        one.add([result("a")])
        assert two.get("a") is None
        two.claim("b")
        assert two.get("a") == result("a")
        two.add([result("b")])
        one.add([result("c")])
        one.wait(["b"])
        assert one.get("b") == result("b")
    with ItemCache(tmp_path, {}) as cache:
        assert all(cache.get(key) == result(key) for key in "abc")


def test_a_line_that_another_is_writing_is_read_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read: list[str] = []
    real = ItemCache._read
    monkeypatch.setattr(ItemCache, "_read", lambda self, fields: read.append(fields["key"]) or real(self, fields))
    with ItemCache(tmp_path, {}) as cache:
        cache.add([result("a")])
        assert cache.path is not None
        line = sealed(cache._fields(result("b")), cache._place)
        with cache.path.open("ab", buffering=0) as other:
            other.write(line[:40])
            cache.claim("c")
            assert cache.get("b") is None
            other.write(line[40:])
        cache.claim("d")
        assert cache.get("b") == result("b")
    assert read == ["b"]
    assert not caplog.messages


@pytest.mark.parametrize("error", [OSError(95, "Operation not supported"), OSError(37, "No locks available")])
def test_without_locks_results_are_right(
    error: OSError, folder: Path, tmp_path: Path, alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: Any) -> None:
        raise error

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    found = score(make_task(N_ITEMS), load_model(str(folder), device="cpu"), cache_dir=tmp_path)
    np.testing.assert_allclose(found.logprobs.clip(-1e9), alone, atol=1e-4)
    assert set(lines(tmp_path).values()) == {1}
    with (tmp_path / "f").open("a+b") as file:
        assert Claims(file).take("a")
        assert Claims(file).take("a")


def test_every_key_has_a_byte_that_files_can_lock() -> None:
    places = {claims._place(f"key {n}") for n in range(10_000)}
    assert len(places) == 10_000
    assert claims._WRITING < min(places) <= max(places) < 2**63


def test_one_process_alone_runs_what_it_ran(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same batches as without a cache: claims change none of them."""
    from calibaudit.scoring import batches

    seen: list[tuple[int, ...]] = []
    read_rows = batches.read_rows

    def watched(*arguments: Any) -> Any:
        for indices, values in read_rows(*arguments):
            seen.append(indices)
            yield indices, values

    monkeypatch.setattr(batches, "read_rows", watched)
    model: Model = load_model(str(folder), device="cpu")
    found = []
    for cache in (None, tmp_path):
        score(make_task(40), model, cache_dir=cache)
        found.append(list(seen))
        seen.clear()
    assert found[0] == found[1]
