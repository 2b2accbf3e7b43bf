"""A run whose answers are all kept gives what the first one gave, and builds no network for it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from calibaudit.chat.settings import ChatSettings
from calibaudit.files.checked_lines import sealed, unsealed
from calibaudit.files.memory import Memory
from calibaudit.models import model as models
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.formats import digests
from calibaudit.models.formats.shards import WEIGHTS
from calibaudit.models.formats.stored import read_rows, stored_tensors, write_rows
from calibaudit.models.tokenizer import TokenizerKind, kind_of, load_tokenizer
from calibaudit.scores.scores import Scores
from calibaudit.scoring.cache import ItemCache
from calibaudit.scoring.engines import versions
from calibaudit.scoring.engines.engine import InProcess
from calibaudit.scoring.engines.remembered import FILE
from calibaudit.scoring.evaluate import RunOptions, evaluate
from tests.families import save_tiny, tiny_network
from tests.whole_rows import make_task


def run(folder: Path, cache: Path | None, n_items: int = 6, **options: Any) -> tuple[list[Scores], list[str]]:
    """Scores, and the notices."""
    said: list[str] = []
    asked = RunOptions(device="cpu", cache_dir=cache, **options)
    tasks = [make_task(n_items), make_task(n_items, "letter")]
    return evaluate(str(folder), tasks, asked, lambda *_: None, said.append), said


def whole(scores: Scores) -> dict[str, Any]:
    return {"model": scores.model.to_dict(), **scores.to_dict()}


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The dtype of each load of a network."""
    seen: list[str] = []
    load_model = models.load_model

    def counted(*arguments: Any, **options: Any) -> models.Model:
        seen.append(options["dtype"])
        return load_model(*arguments, **options)

    monkeypatch.setattr(models, "load_model", counted)
    return seen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One whose loading has something to say: float16 is not computed in on a CPU."""
    return save_tiny(tmp_path / "model", network=tiny_network("llama").half())


def test_nothing_is_loaded_where_all_is_kept(folder: Path, tmp_path: Path, loads: list[str]) -> None:
    first, again = run(folder, tmp_path / "cache"), run(folder, tmp_path / "cache")
    assert [whole(scores) for scores in again[0]] == [whole(scores) for scores in first[0]]
    assert first[1] == again[1], "what loading has to say is said again"
    assert "computed in float32" in again[1][0]
    assert loads == ["auto"]


def test_the_network_is_loaded_for_what_is_missing(folder: Path, tmp_path: Path, loads: list[str]) -> None:
    short, _ = run(folder, tmp_path / "cache")
    (longer, _), (alone, _) = run(folder, tmp_path / "cache", 9), run(folder, None, 9)
    for part, mine, theirs in zip(short, longer, alone, strict=True):
        n = part.logprobs.shape[1]
        np.testing.assert_array_equal(mine.logprobs[:6, :n], part.logprobs)
        np.testing.assert_allclose(mine.logprobs, theirs.logprobs, atol=1e-4)
        assert mine.model == theirs.model
    assert loads == ["auto"] * 3


def test_another_dtype_another_name_and_other_weights_are_other_models(
    folder: Path, tmp_path: Path, loads: list[str]
) -> None:
    run(folder, tmp_path / "cache")
    run(folder, tmp_path / "cache", dtype="bfloat16")
    (found, *_), _ = run(folder.rename(tmp_path / "moved"), tmp_path / "cache")
    assert found.model.name.endswith("moved")
    save_tiny(tmp_path / "moved", seed=1)
    (changed, *_), _ = run(tmp_path / "moved", tmp_path / "cache")
    assert changed.model.revision != found.model.revision
    assert (changed.logprobs != found.logprobs).any()
    assert loads == ["auto", "bfloat16", "auto", "auto"]


def test_a_tensor_changed_in_place_is_another_model_though_size_and_mtime_are_put_back(
    folder: Path, tmp_path: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was remembered of the files as they were is not used, neither their digest nor the model's numbers."""
    now = time.time_ns
    monkeypatch.setattr(digests.time, "time_ns", lambda: now() + 10**10)  # so that its digest is remembered at all
    (first, *_), _ = run(folder, tmp_path / "cache")
    file = folder / WEIGHTS
    tensor = stored_tensors([file])["lm_head.weight"]
    before = file.stat()
    with file.open("r+b") as stream:
        write_rows(stream, tensor, slice(0, 40), -read_rows(stream, tensor, slice(0, 40)))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)
    (changed, *_), _ = run(folder, tmp_path / "cache")
    (fresh, *_), _ = run(folder, None)
    assert changed.model.revision == fresh.model.revision != first.model.revision
    np.testing.assert_array_equal(changed.logprobs, fresh.logprobs)
    assert np.abs(changed.logprobs - first.logprobs)[first.logprobs > -np.inf].max() > 0.01
    assert len(loads) == 3


def test_numbers_of_other_versions_are_not_served(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = InProcess(models.load_model(str(folder), device="cpu"))
    libraries = ("torch", "transformers", "tokenizers")
    here = {"scorer": str(versions.SCORER), **{name: metadata.version(name) for name in libraries}}
    assert engine.settings()["versions"] == here
    paths = {ItemCache(tmp_path, engine.settings()).path}
    for library in libraries:
        with monkeypatch.context() as patch:
            patch.setattr(versions.metadata, "version", lambda name, of=library: "0" if name == of else here[name])
            paths.add(ItemCache(tmp_path, engine.settings()).path)
    monkeypatch.setattr(versions, "SCORER", versions.SCORER + 1)
    paths.add(ItemCache(tmp_path, engine.settings()).path)
    assert len(paths) == 5


TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
TEMPLATE = TURNS + "{% if add_generation_prompt %}<assistant>{% endif %}"


@pytest.mark.parametrize("template", ["auto", "off", "both", "a file"])
def test_prompts_are_looked_up_as_they_would_be_written(
    folder: Path, tmp_path: Path, loads: list[str], template: str
) -> None:
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    (tmp_path / "other.jinja").write_text(TEMPLATE.replace("\n", "|"))
    chat = ChatSettings(str(tmp_path / "other.jinja") if template == "a file" else template)
    (first, _), (again, _) = (run(folder, tmp_path / "cache", chat=chat) for _ in range(2))
    assert [whole(scores) for scores in again] == [whole(scores) for scores in first]
    assert [scores.chat_template for scores in again] == {
        "auto": [True, True], "off": [False, False], "both": [False, True] * 2, "a file": [True, True]
    }[template]  # fmt: skip
    assert loads == ["auto"]
    (tmp_path / "other.jinja").write_text(TEMPLATE.replace("\n", "/"))
    other = replace(chat, template="auto") if template == "off" else replace(chat, answer_at="generation-prompt")
    (changed, _), (fresh, _) = run(folder, tmp_path / "cache", chat=other), run(folder, None, chat=other)
    assert [scores.prompt for scores in changed] == [scores.prompt for scores in fresh]
    for mine, theirs in zip(changed, fresh, strict=True):
        np.testing.assert_allclose(mine.logprobs, theirs.logprobs, atol=1e-4)


@pytest.mark.parametrize(
    "spoil", ["gone", "damaged", "another window", "another class", "another tokenizer", "prompts"]
)
def test_what_was_remembered_wrongly_changes_no_number(
    folder: Path, tmp_path: Path, loads: list[str], spoil: str
) -> None:
    first, path = run(folder, tmp_path / "cache"), tmp_path / "cache" / FILE
    entry = json.loads(path.read_text())
    (prompts,) = (tmp_path / "cache" / "prompts").iterdir()
    if spoil == "prompts":
        header, *lines = prompts.read_bytes().splitlines(keepends=True)
        place = hashlib.sha256(header).digest()
        kept = [unsealed(line[:-1], place) for line in lines]
        wrong = [
            sealed({**fields, "asked": ["0" + fields["asked"][0], *fields["asked"][1:]]}, place) for fields in kept
        ]
        prompts.write_bytes(header + b"".join(wrong))
        assert wrong != lines
    else:
        prompts.unlink()
    if spoil == "gone":
        path.unlink()
    elif spoil == "damaged":
        path.write_text(path.read_text()[:200])
    elif spoil != "prompts":
        if spoil == "another window":
            entry["max_length"] = entry["settings"]["max_length"] = 16
        elif spoil == "another class":
            entry["tokenizer"] |= {"module": "os", "name": "PathLike"}
        else:
            entry["tokenizer"]["made"] = "0"
        Memory(path).keep(entry.pop("key"), {name: value for name, value in entry.items() if name != "check"})
    again = run(folder, tmp_path / "cache")
    assert [whole(scores) for scores in again[0]] == [whole(scores) for scores in first[0]]
    assert again[1] == first[1]
    assert len(loads) == (1 if spoil in ("another class", "another tokenizer", "prompts") else 2)


def test_the_class_alone_reads_the_tokenizer_that_was_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = find_checkpoint(str(folder))
    found = load_tokenizer(checkpoint)
    kind = kind_of(found)
    assert kind is not None

    def refused(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("the class is to be known")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", refused)
    again = load_tokenizer(checkpoint, kind)
    text = "<s> Is it so?\n\tYes, 12 of them.</s>"
    assert (type(again), again(text)) == (type(found), found(text))
    with pytest.raises(Exception, match="the class is to be known"):
        load_tokenizer(checkpoint, TokenizerKind(kind.module, kind.name, "of other files"))


AGAIN = """
import sys
from calibaudit.cli.app import main
import calibaudit.models.formats.digests as digests
def refused(*_): raise AssertionError("hashed again")
digests._hash = refused
try:
    main()
finally:
    print(sorted({"torch", "datasets", "transformers"} & set(sys.modules)), file=sys.stderr)
"""


def test_a_comparison_all_of_whose_answers_are_kept(demo_audit: Path, tmp_path: Path, root: Path) -> None:
    """The whole page and the whole JSON, and neither PyTorch nor a weight for them."""
    files = ["-o", str(tmp_path / "result.json"), "--cache-dir", str(demo_audit / "cache")]
    environment = os.environ | {"COLUMNS": "80", "PYTHONUTF8": "1"}
    command = [sys.executable, "-c", AGAIN, "compare", *files]
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert (ended.returncode, ended.stderr.splitlines()[-1:]) == (0, ["[]"])
    assert ended.stdout == (demo_audit / "page.txt").read_text(encoding="utf-8")
    first, again = (json.loads((place / "result.json").read_text("utf-8")) for place in (demo_audit, tmp_path))
    del first["created"], again["created"]
    assert again == first
