from __future__ import annotations

from pathlib import Path

import pytest

from calibaudit.cli.config import command_defaults
from calibaudit.errors import CalibauditError

FLAGS = {"limit", "batch-size", "seed", "base-revision"}
ALL = FLAGS | {"revision"}


def read(path: Path | None, text: str = "") -> dict[str, object]:
    if path is not None:
        path.write_text(text)
    return command_defaults(path, "compare", FLAGS, ALL)


def test_shared_keys_and_the_commands_own_table(tmp_path: Path) -> None:
    text = 'limit = 5\nrevision = "main"\n[compare]\nlimit = 7\nbatch-size = "4"\n[score]\nlimit = 9\n'
    assert read(tmp_path / "c.toml", text) == {"limit": 7, "batch_size": "4"}


def test_pyproject_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read(None) == {}
    Path("pyproject.toml").write_text('[project]\nname = "x"\n[tool.calibaudit]\nseed = 3\n')
    assert read(None) == {"seed": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limt = 5", "unknown key 'limt'; did you mean 'limit'?"),
        ("[compare]\nrevision = 'x'", "unknown key 'compare.revision'; did you mean 'base-revision'?"),
        ("limit = ", "not valid TOML"),
        ("[limit]\nx = 1", "'limit' is a table"),
    ],
)
def test_faults_name_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CalibauditError) as caught:
        read(tmp_path / "c.toml", text)
    assert str(caught.value).startswith(str(tmp_path / "c.toml"))
    assert message in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CalibauditError, match="cannot be read: No such file"):
        command_defaults(tmp_path / "none.toml", "compare", FLAGS, ALL)
