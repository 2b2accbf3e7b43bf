"""Whatever bytes a file holds, its reader takes them or refuses them in one line, soon and in little memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz.checkpoints import CHECKPOINT_READERS, warmed
from tests.fuzz.readers import READERS, Case, Reader
from tests.fuzz.tally_table import explained, saved
from tests.fuzz.watch import HANG, MEMORY, NAN, RAW, run

N = 500

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures a forked process as Linux tells of it")


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    warmed()


@pytest.mark.parametrize("reader", READERS + CHECKPOINT_READERS, ids=lambda reader: reader.name)
def test_any_bytes_are_taken_or_refused(reader: Reader, tmp_path: Path) -> None:
    tally = run(reader, range(N))
    if tally.failures:
        files = "\n".join(map(str, saved(tally.failures[:50], {reader.name: reader}, tmp_path)))
        pytest.fail(
            f"{len(tally.failures)} of {N} inputs:\n{explained(tally.failures)}\ntheir smallest files:\n{files}"
        )
    assert tally.inputs == N
    assert tally.accepted > N / 50, "hardly any input is near enough to a real one to be read"
    assert tally.refused + tally.accepted == N


def _spins(_case: Case) -> object:
    while True:
        pass


def _holds(_case: Case) -> object:
    return len(bytearray(700_000_000))


def _raises(case: Case) -> object:
    raise KeyError(case.file.name)


def _dies(_case: Case) -> object:
    import os

    os.abort()


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (_spins, HANG),
        (_holds, MEMORY),
        (_raises, RAW),
        (_dies, RAW),
        (lambda case: [1.0, {"a": float("nan")}], NAN),
        (lambda case: (case.out / "x.json").write_text('{"a": '), "half-written"),
    ],
    ids=["hang", "memory", "raw", "crash", "nan", "half"],
)
def test_the_watch_sees(read: object, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other test would let pass if the watch were blind."""
    monkeypatch.setattr("tests.fuzz.watch.SECONDS", 5.0 if kind == "memory" else 1.0)
    toml = next(reader for reader in READERS if reader.name == "toml")
    tally = run(Reader("blind", toml.samples, read), range(2))  # type: ignore[arg-type]
    assert [failure.kind for failure in tally.failures] == [kind, kind]
    assert [failure.seed for failure in tally.failures] == [0, 1]
