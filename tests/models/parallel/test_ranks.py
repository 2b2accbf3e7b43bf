"""What the environment says of torchrun's processes, before any of them is waited for."""

from __future__ import annotations

import pytest

from calibaudit.errors import CalibauditError
from calibaudit.models.distributed import local_rank, local_world_size, rank, world_size


def test_without_torchrun_it_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert (rank(), world_size(), local_rank(), local_world_size()) == (0, 1, 0, 1)


@pytest.mark.parametrize(
    ("own", "n", "said"),
    [
        ("1", "1", "RANK is 1 and its WORLD_SIZE 1"),
        ("x", "2", "RANK: expected a whole number, as torchrun sets it, found 'x'"),
        ("0", "-1", "WORLD_SIZE: expected a whole number, as torchrun sets it, found '-1'"),
        ("0", "9" * 5_000, "WORLD_SIZE: expected a whole number, as torchrun sets it, found '999"),
        ("", "2", "RANK: expected a whole number, as torchrun sets it, found ''"),
    ],
)
def test_what_torchrun_never_sets(own: str, n: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", own)
    monkeypatch.setenv("WORLD_SIZE", n)
    with pytest.raises(CalibauditError, match=said):
        rank()
