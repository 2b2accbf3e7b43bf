"""What is saved tells no one's folders: absolute paths by their last part, everything else as it is."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from made_results import audit_result, comparison_result

from calibaudit.report.words.folders import last_part, without_folders


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/home/alice/models/tuned", "tuned"),
        ("/home/alice/models/tuned/", "tuned"),
        ("~/models/tuned", "tuned"),
        ("C:\\Users\\alice\\tuned", "tuned"),
        ("models/tuned", "models/tuned"),
        ("../tuned", "../tuned"),
        ("org/name", "org/name"),
        ("demo:base", "demo:base"),
        ("server:http://host:8000/v1#org/name", "server:http://host:8000/v1#org/name"),
        ("/home/alice/base+/home/alice/adapter", "base+adapter"),
        ("org/name+/home/alice/adapter", "org/name+adapter"),
        ("/home/alice/base+org/adapter", "adapter"),
        ("/home/alice/llama+math/final", "final"),
        ("/", "/"),
    ],
)
def test_the_last_part_of_an_absolute_path(name: str, shown: str) -> None:
    assert last_part(name) == shown


def with_names(before: str, after: str, **more: Any) -> dict[str, Any]:
    result: dict[str, Any] = copy.deepcopy(comparison_result())
    result["before"]["name"], result["after"]["name"] = before, after
    return {**result, **more}


def test_names_that_would_be_alike_keep_what_tells_them_apart() -> None:
    found = without_folders(with_names("/runs/a/final", "/runs/b/final"))
    assert (found["before"]["name"], found["after"]["name"]) == ("a/final", "b/final")
    found = without_folders(with_names("/runs/a/final", "/runs/a/final"))
    assert (found["before"]["name"], found["after"]["name"]) == ("final", "final")


def test_sentences_lose_their_paths_and_nothing_else() -> None:
    said = "/my models/tuned: as in /etc/x/y.yaml (and ~/z/w.txt); see https://a.b/c/d, 3/4/5, and/or/not, /think, a /b"
    found = without_folders(with_names("base", "/my models/tuned", warnings=[said]))
    assert found["warnings"] == [
        "tuned: as in y.yaml (and w.txt); see https://a.b/c/d, 3/4/5, and/or/not, /think, a /b"
    ]


def test_what_is_of_items_and_prompts_stays() -> None:
    """The prompt's texts decide whether two sides were asked alike; an item's words are the task's."""
    result = copy.deepcopy(audit_result())
    prompt = {
        "named": "/home/alice/t.jinja",
        "system": "read /etc/a/b",
        "answer_prefix": "/a/b/c",
        "kwargs": '{"x": "/a/b"}',
    }
    entry = {"task": "t", "item_ids": ["/data/x/1", "2"], "groups": ["/g/1/2", "b"], "logprobs": [[-1.0, -2.0]]}
    result["scores"] = [{**entry, "prompt": prompt}]
    result["errors"] = [{"task": "t", "context": "what is /usr/bin/python?"}]
    before = json.dumps(result)
    found = without_folders(result)
    assert found["scores"] == [{**entry, "prompt": {**prompt, "named": "t.jinja"}}]
    assert found["errors"] == result["errors"]
    assert json.dumps(result) == before
    assert without_folders(found) == found
