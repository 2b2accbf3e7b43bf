"""Which implementation runs, and what happens when Triton fails."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from calibaudit.errors import CalibauditError
from calibaudit.kernels import dispatch, kernel_path, linear_cross_entropy, linear_logprobs
from calibaudit.kernels.chunked import forward
from calibaudit.kernels.heads import Head


@pytest.fixture
def on_triton(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The CPU asked to run Triton; what stands in for its functions is the returned table."""
    monkeypatch.setenv("CALIBAUDIT_KERNELS", "triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(dispatch, "_failed", {})
    functions: dict[str, Any] = {}
    monkeypatch.setattr(dispatch, "_triton_function", functions.__getitem__)
    return functions


HIDDEN, WEIGHT, TARGETS = (
    torch.randn(5, 4),
    torch.randn(9, 4),
    torch.tensor([[0, 8], [1, -100], [2, 3], [4, 4], [5, 6]]),
)


def test_triton_is_used_where_asked_for(on_triton: dict[str, Any]) -> None:
    calls = []

    def watched(*arguments: Any, **options: Any) -> Any:
        calls.append(options)
        return forward.head_forward(*arguments, **options)

    on_triton["head_forward"] = watched
    found = linear_logprobs(HIDDEN, WEIGHT, TARGETS)
    assert calls[0]["top"]
    exact = forward.linear_logprobs(HIDDEN, Head(WEIGHT, None, None, 1.0, 9), TARGETS)
    for value, wanted in zip(found, exact, strict=True):
        torch.testing.assert_close(value, wanted)
    assert kernel_path("cpu") == ("triton", "asked for by CALIBAUDIT_KERNELS")


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
def test_rows_without_numbers_are_nan_there_too(on_triton: dict[str, Any], poison: float) -> None:
    on_triton["head_forward"] = forward.head_forward
    hidden = HIDDEN.clone()
    hidden[2, 1] = poison
    found = linear_logprobs(hidden, WEIGHT, TARGETS)
    assert found.logprob[2].isnan().all()
    assert found.top_logprob.isnan().tolist() == [False, False, True, False, False]
    assert found.logprob[1, 1] == 0
    dead = linear_logprobs(HIDDEN, WEIGHT, TARGETS, bias=torch.full((9,), -torch.inf))
    assert dead.logprob[0].isnan().all()


def test_a_failure_is_named_once_and_the_work_goes_on(
    on_triton: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no kernel image\nfor this device")

    on_triton["head_forward"] = broken
    with caplog.at_level(logging.WARNING, "calibaudit"):
        first = linear_cross_entropy(HIDDEN, WEIGHT, TARGETS[:, 0])
        second = linear_cross_entropy(HIDDEN, WEIGHT, TARGETS[:, 0])
    assert torch.equal(first, second)
    (record,) = caplog.records
    assert "failed on cpu (RuntimeError: no kernel image for this device); going on in plain" in record.getMessage()
    assert kernel_path("cpu") == ("chunked", "Triton failed before: RuntimeError: no kernel image for this device")


def test_a_failure_to_load_is_no_end_of_a_training(
    monkeypatch: pytest.MonkeyPatch, on_triton: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(name: str) -> Any:
        raise ImportError(f"no {name} in this Triton")

    hidden = HIDDEN.clone().requires_grad_()
    monkeypatch.setattr(dispatch, "_triton_function", broken)
    with caplog.at_level(logging.WARNING, "calibaudit"):
        linear_cross_entropy(hidden, WEIGHT, TARGETS[:, 0]).backward()
    (record,) = caplog.records
    assert "failed on cpu (ImportError: no head_forward in this Triton); going on in plain" in record.getMessage()
    wanted = torch.nn.functional.cross_entropy(hidden @ WEIGHT.T, TARGETS[:, 0])
    torch.testing.assert_close(hidden.grad, torch.autograd.grad(wanted, hidden)[0])


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), dispatch.KernelArgumentError("softcap")])
def test_a_lack_of_memory_and_a_refusal_are_no_failure(on_triton: dict[str, Any], error: Exception) -> None:
    def refuses(*_: Any, **__: Any) -> Any:
        raise error

    on_triton["head_forward"] = refuses
    with pytest.raises(type(error)):
        linear_cross_entropy(HIDDEN, WEIGHT, TARGETS[:, 0])
    assert kernel_path("cpu")[0] == "triton"


@pytest.mark.parametrize("which", ["hidden", "weight", "bias"])
def test_float64_stays_in_pytorch(on_triton: dict[str, Any], which: str) -> None:
    given = {"hidden": HIDDEN, "weight": WEIGHT, "bias": torch.zeros(9)}
    given[which] = given[which].double()
    assert linear_cross_entropy(**given, targets=TARGETS[:, 0]).isfinite()  # the table of functions is empty
    assert kernel_path("cpu")[0] == "triton"


def test_a_choice_that_cannot_be_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALIBAUDIT_KERNELS", "triton")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    said = r"CALIBAUDIT_KERNELS=triton cannot be met on cpu: on the CPU Triton only runs interpreted.*; unset it"
    with pytest.raises(CalibauditError, match=said):
        linear_cross_entropy(HIDDEN, WEIGHT, TARGETS[:, 0])
    monkeypatch.setenv("CALIBAUDIT_KERNELS", "cuda")
    with pytest.raises(CalibauditError, match="CALIBAUDIT_KERNELS must be one of auto, triton, chunked, not cuda"):
        linear_logprobs(HIDDEN, WEIGHT, TARGETS)


def test_kernels_are_launched_on_the_gpu_of_their_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several GPUs Triton takes the current one, whose queue knows nothing of what another still computes."""
    entered: list[torch.device] = []

    class Current:
        def __init__(self, device: torch.device) -> None:
            self.device = device

        def __enter__(self) -> None:
            entered.append(self.device)

        def __exit__(self, *_: object) -> None:
            entered.append(torch.device("cpu"))

    second = SimpleNamespace(device=torch.device("cuda:1"))
    monkeypatch.setattr(torch.cuda, "device", Current)
    monkeypatch.setattr(dispatch, "kernel_path", lambda _: ("triton", ""))
    monkeypatch.setattr(dispatch, "_triton_function", lambda _: lambda *_arguments: list(entered))
    assert dispatch.run("head_forward", second) == [torch.device("cuda:1")]
    assert entered == [torch.device("cuda:1"), torch.device("cpu")]
