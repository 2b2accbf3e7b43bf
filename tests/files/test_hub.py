"""A hub that does not answer is asked once, and one line says so."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

from calibaudit.errors import ModelError, SftError, TaskError
from calibaudit.files import hub
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.tasks.load import load_tasks
from calibaudit.training.data.sources import read_documents


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub._asked.cache_clear()
    yield
    hub._asked.cache_clear()


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A hub that takes connections, counted, and says nothing."""
    seen = SimpleNamespace(connections=0)
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return
                seen.connections += 1

        threading.Thread(target=accept, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "1")
        monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.3)
        yield seen
        server.shutdown(socket.SHUT_RDWR)
    for one in kept:
        one.close()


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a hub at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    return address


def test_a_silent_hub_is_asked_once(silent: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with pytest.raises(ModelError) as told:
            find_checkpoint("nosuch/model")
    assert str(told.value).startswith("nosuch/model: no such folder, not in the cache, and the hub cannot be reached (")
    assert "has not answered within 0.3 s; HF_HUB_ETAG_TIMEOUT=30 would wait longer)" in str(told.value)
    with pytest.raises(TaskError, match=r"arc_challenge.*not in the local cache, and the hub cannot be reached \("):
        load_tasks(["arc_challenge"])
    with pytest.raises(SftError, match=r"nosuch/rows: .* not in the local cache, and the hub cannot be reached \("):
        next(read_documents("nosuch/rows", "train", offline=False))
    assert silent.connections == 1
    assert capfd.readouterr() == ("", "")


def test_the_systems_own_reason_is_told(closed: str) -> None:
    with pytest.raises(ModelError) as told:
        find_checkpoint("nosuch/model")
    assert str(told.value).endswith(f"the hub cannot be reached ({closed}: Connection refused)")


def test_offline_asks_no_one(silent: SimpleNamespace) -> None:
    with pytest.raises(ModelError, match="not in the cache; run once without --offline"):
        find_checkpoint("nosuch/model", offline=True)
    assert silent.connections == 0


def test_any_answer_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class NotFound(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), NotFound) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        assert hub.out_of_reach() is None
        server.shutdown()


def test_what_is_in_the_cache_serves(closed: str, tmp_path: Path) -> None:
    folder = tmp_path / "models--some--model"
    commit = "1" * 40
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit / "config.json").write_text("{}")
    found = find_checkpoint("some/model", cache_dir=tmp_path)
    assert (found.revision, found.from_hub) == (commit, True)
