"""Signs that a checkpoint holds more than supervised tuning: model cards as trainers write them, names, and neither."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from calibaudit.advice.tuning_signs import sign_of_model, signs_of
from calibaudit.models.checkpoints import Checkpoint

CARD = """---
base_model: lab/small-sft
library_name: transformers
model_name: small
tags:
- generated_from_trainer
- trl
{tags}licence: license
---

# Model Card for small

Trained with DPO? The text below the front matter is no sign: grpo, rlhf.
"""


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a sign is read from files at hand")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def folder(place: Path, card: str | bytes | None, name: str = "small") -> Checkpoint:
    path = place / name
    path.mkdir(parents=True)
    if card is not None:
        (path / "README.md").write_bytes(card if isinstance(card, bytes) else card.encode())
    return Checkpoint(str(path), path, "sha256:0")


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("- dpo\n", "dpo"),
        ("- sft\n- grpo\n", "grpo"),
        ("- online-dpo\n", "online-dpo"),
        ("- reward-trainer\n", "reward-trainer"),
        ("- KTO\n", "kto"),
        ("- sft\n", None),
        ("- dpo-like-data\n", None),
        ("", None),
    ],
)
def test_a_card_is_known_by_its_tags(tmp_path: Path, tags: str, found: str | None) -> None:
    sign = signs_of(folder(tmp_path, CARD.format(tags=tags)))
    assert sign == (None if found is None else f"the model card of small is tagged {found}")


@pytest.mark.parametrize(
    "card",
    [
        None,
        "",
        "---\n",
        "---\ntags: [dpo\n---\n",
        "---\ntags: {dpo: 1}\n---\n",
        "---\ntags: 5\n---\n",
        "---\n- dpo\n---\n",
        "---\ntags:\n- 5\n- null\n---\n",
        "---\ntags: !!python/object/apply:os.system ['false']\n---\n",
        "# dpo\n\ntags: dpo\n",
        b"\xff\xfe\x00---\ntags: dpo",
        "---\na: &a [*a, " + "[" * 3_000 + "\n---\n",
    ],
)
def test_a_card_that_says_nothing_or_is_broken_is_no_sign_and_no_error(
    tmp_path: Path, card: str | bytes | None
) -> None:
    assert signs_of(folder(tmp_path, card)) is None


@pytest.mark.parametrize(
    "card", ["---\ntags: dpo\n---\n", "\ufeff---\r\ntags:\r\n- dpo\r\n---\r\ntext", "---\ntags: [x, Dpo]\n---"]
)
def test_other_ways_to_write_a_card(tmp_path: Path, card: str) -> None:
    assert signs_of(folder(tmp_path, card)) == "the model card of small is tagged dpo"


def test_a_card_that_is_a_folder_is_no_error(tmp_path: Path) -> None:
    checkpoint = folder(tmp_path, None)
    (checkpoint.path / "README.md").mkdir()
    assert signs_of(checkpoint) is None


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("zephyr-7b-dpo", "dpo"),
        ("Small_RLHF.v2", "rlhf"),
        ("model-grpo/checkpoint-500", "grpo"),
        ("dpo/models/small", None),  # a folder far above says little
        ("adpost-1b", None),
        ("small-instruct", None),
    ],
)
def test_a_part_of_the_name_is_a_weaker_sign(tmp_path: Path, name: str, found: str | None) -> None:
    sign = signs_of(folder(tmp_path, CARD.format(tags="- sft\n"), name))
    assert (sign is None) is (found is None)
    if found is not None:
        assert f"says {found}, which is a weaker sign than a model card" in (sign or "")


def test_of_an_adapter_its_base_counts_too(tmp_path: Path) -> None:
    below = folder(tmp_path, CARD.format(tags="- dpo\n"), "below")
    above = folder(tmp_path, CARD.format(tags="- sft\n"), "above")
    adapter = Checkpoint(str(above.path), above.path, "a+b", base=below)
    assert signs_of(adapter) == "the model card of below is tagged dpo"
    assert sign_of_model(f"{below.path}+{above.path}", None, "x") == "the model card of below is tagged dpo"


def test_what_the_command_line_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    one = folder(tmp_path, CARD.format(tags="- orpo\n"))
    assert sign_of_model(str(one.path), None, "small") == "the model card of small is tagged orpo"
    assert sign_of_model("small", None, "small") == "the model card of small is tagged orpo"
    shutil.rmtree(one.path)
    assert sign_of_model("scores.json", None, "lab/small") is None
    assert "says ppo" in (sign_of_model("scores.json", None, "lab/small-ppo") or "")  # all that scores know is a name
    assert sign_of_model("http://127.0.0.1:1/v1#lab/small", None, "lab/small") is None
    assert sign_of_model("lab/not-in-the-cache", None, "lab/not-in-the-cache") is None
    assert sign_of_model("demo:instruct", None, "demo:instruct") is None


def test_a_snapshot_in_the_hubs_cache_is_read_without_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "1" * 40
    cache = tmp_path / "hub" / "models--lab--small"
    snapshot = cache / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    (snapshot / "config.json").write_text('{"model_type": "llama"}')
    (snapshot / "README.md").write_text(CARD.format(tags="- rloo\n"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert sign_of_model("lab/small", None, "lab/small") == "the model card of small is tagged rloo"
