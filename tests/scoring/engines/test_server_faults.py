"""Servers that fail, are cut off, or give nonsense; and a run that goes on from what was finished."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from completions_server import CompletionsServer
from whole_rows import assert_equal, make_task, whole_rows

from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import ModelError
from calibaudit.models.model import Model, load_model
from calibaudit.scoring.engines.connection import Retries, _seconds
from calibaudit.scoring.engines.pool import in_parallel
from calibaudit.scoring.engines.server import ServedModel, open_server
from calibaudit.scoring.score import score

Serve = Callable[..., CompletionsServer]
PLAIN = ChatSettings("off")


def opened(server: CompletionsServer, tries: int = 3, **options: Any) -> ServedModel:
    return open_server(server.name(), tokenizer="demo:base", retries=Retries(tries, 0.01, 0.05), **options)


def test_the_waits_double_and_heed_what_is_asked() -> None:
    retries = Retries(8, 0.5, 60.0)
    assert [retries.wait(n, None) for n in range(8)] == [0.5, 1, 2, 4, 8, 16, 32, 60]
    assert retries.wait(0, 7.0) == 7.0
    assert retries.wait(0, 900.0) == 60.0
    assert _seconds("3") == 3.0
    assert _seconds("Sat, 28 Nov 2020 12:00:00 GMT") == 0.0
    assert _seconds("soon") is None


def test_what_passes_is_asked_again(serve: Serve, demo: Model) -> None:
    server = serve()
    served = opened(server)
    first = len(server.requests)
    faults: dict[int, Any] = {
        first + 2: (429, {"Retry-After": "0.02"}, {"error": {"message": "slow down"}}),
        first + 5: (503, {}, b"<html>busy</html>"),
        first + 7: "cut",
    }
    server.behaviour.fault = faults.get
    task = make_task(6, longest=12)
    n_choices = sum(len(item.choices) for item in task.items)
    assert_equal(score(task, served, chat=PLAIN), whole_rows(task, demo))
    assert len(server.requests) == first + n_choices + 3


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ((429, {}, {"error": {"message": "quota\nof today"}}), "no answer after 3 tries: HTTP 429: quota of today$"),
        ((500, {}, {"detail": "no memory"}), "no answer after 3 tries: HTTP 500: no memory$"),
        ("cut", "no answer after 3 tries: .*closed"),
        ((400, {}, {"message": "too long"}), r"made: item 'i\d': http.*/completions: HTTP 400: too long$"),
        ((200, {}, b"<html>hello</html>"), "its answer is not JSON \\(<html>hello</html>\\)"),
        ((200, {}, {"choices": []}), "there are no choices in it$"),
        ((302, {"Location": "http://127.0.0.1:9/v1"}, b""), "HTTP 302$"),
    ],
)
def test_what_stays_ends_in_one_line_that_says_what_the_server_said(fault: Any, said: str, serve: Serve) -> None:
    server = serve()
    served = opened(server)
    server.behaviour.fault = lambda n: fault
    with pytest.raises(ModelError, match=said) as caught:
        score(make_task(2, longest=6), served, chat=PLAIN)
    assert "\n" not in str(caught.value)


def test_no_server_no_model_no_name(serve: Serve) -> None:
    server = serve(names=("one", "two"))
    with pytest.raises(ModelError, match="it does not serve 'made'; it lists one, two"):
        opened(server)
    with pytest.raises(ModelError, match="name its model behind a #; it lists one, two"):
        open_server(f"server:{server.url}")
    only = serve()
    assert open_server(f"server:{only.url}", tokenizer="demo:base").info.name == "made"
    with pytest.raises(ModelError, match=r"the model's tokenizer is needed here too; .* --tokenizer \(made: "):
        open_server(only.name(), offline=True)
    with pytest.raises(ModelError, match=r"/v1/models: no answer after 3 tries: .*refused"):
        open_server("server:http://127.0.0.1:9/v1#x", retries=Retries(8, 0.01, 0.01))


def test_a_run_goes_on_after_the_server_died(serve: Serve, demo: Model, tmp_path: Path) -> None:
    server = serve()
    served = opened(server, concurrency=2)
    task = make_task(12, longest=12)
    first, seen = len(server.requests), []
    server.behaviour.fault = lambda n: "cut" if n > first + 20 else None
    with pytest.raises(ModelError, match="no answer after"):
        score(task, served, chat=PLAIN, cache_dir=tmp_path, progress=lambda done, n: seen.append(done))
    finished = seen[-1]
    assert 3 <= finished < 12
    server.behaviour.fault = lambda n: None
    again = opened(server)
    start = len(server.requests)
    scores = score(task, again, chat=PLAIN, cache_dir=tmp_path)
    assert_equal(scores, whole_rows(task, demo))
    left = sum(len(item.choices) for item in task.items[finished:])
    assert left <= len(server.requests) - start <= left + 8  # two requests run beside each other finish out of order
    assert score(task, again, chat=PLAIN, cache_dir=tmp_path).logprobs.tolist() == scores.logprobs.tolist()
    assert len(server.requests) - start <= left + 8


def test_ctrl_c_keeps_what_is_finished_and_waits_for_nobody(serve: Serve, tmp_path: Path) -> None:
    server = serve(slow=0.05)
    served = opened(server, concurrency=2)

    def interrupt(done: int, n: int) -> None:
        if done >= 2:
            server.behaviour.slow = 20.0
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        score(make_task(8, longest=6), served, chat=PLAIN, cache_dir=tmp_path, progress=interrupt)
    assert time.monotonic() - start < 10
    (kept,) = tmp_path.glob("scores/*.jsonl")
    assert len(kept.read_text().splitlines()) == 1 + 1 + 2  # the header, the probe's values, two items


def test_another_model_under_the_name_is_not_mixed_in(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    task = make_task(2, longest=6)
    score(task, opened(server), chat=PLAIN, cache_dir=tmp_path)
    server.network = load_model("demo:instruct", dtype="float32").network
    with pytest.raises(ModelError, match=r"serves another model under this name .* finished items in .*jsonl are of"):
        score(task, opened(server), chat=PLAIN, cache_dir=tmp_path)
    alone = score(task, opened(server), chat=PLAIN)
    assert np.isfinite(alone.logprobs[:, 0]).all()


def test_no_more_requests_at_once_than_asked_for(serve: Serve) -> None:
    server = serve(slow=0.05)
    score(make_task(3, longest=6), opened(server, concurrency=3), chat=PLAIN)
    assert server.most_at_once == 3


def test_jobs_that_nobody_waits_for_are_told() -> None:
    told = threading.Event()

    def slow(stop: threading.Event) -> int:
        stop.wait(5)
        told.set()
        return 0

    def fails(stop: threading.Event) -> int:
        raise ModelError("no")

    with pytest.raises(ModelError, match="no"):
        list(in_parallel([slow, fails, slow], 2))
    assert told.wait(2)
    assert sorted(in_parallel([lambda stop, n=n: n * n for n in range(50)], 4)) == [(n, n * n) for n in range(50)]
