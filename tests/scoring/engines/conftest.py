from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from completions_server import Behaviour, CompletionsServer

from calibaudit.models.model import Model, load_model


@pytest.fixture(scope="session")
def demo() -> Model:
    return load_model("demo:base", dtype="float32")


@pytest.fixture
def serve(demo: Model) -> Iterator[Callable[..., CompletionsServer]]:
    """Starts a server of the demo's base with the given Behaviour."""
    with ExitStack() as stack:

        def start(*, model: Model = demo, port: int = 0, **how: Any) -> CompletionsServer:
            server = CompletionsServer(model.network, model.tokenizer, Behaviour(**how), port)
            return stack.enter_context(server)

        yield start


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CALIBAUDIT_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
