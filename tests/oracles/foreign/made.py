"""Functions of the task files beside this one, of the kinds that lm-evaluation-harness's own task files name."""

from __future__ import annotations

from functools import partial
from typing import Any


def _of_subject(dataset: Any, subject: str) -> Any:
    def rewritten(doc: dict[str, Any]) -> dict[str, Any]:
        wrong = [part.strip() for part in doc["wrong"].split(";")]
        options = [*wrong[: doc["place"]], doc["right"], *wrong[doc["place"] :]]
        return {"options": options, "gold": doc["place"], "query": doc["question"].strip().capitalize()}

    return dataset.filter(lambda doc: doc["subject"] == subject).map(rewritten)


process_rivers = partial(_of_subject, subject="rivers")


def lettered(doc: dict[str, Any]) -> str:
    options = "\n".join(f"{letter}) {option}" for letter, option in zip("ABC", doc["options"], strict=True))
    return f"{doc['query']}\n{options}\nAnswer:"


def options(doc: dict[str, Any]) -> list[str]:
    return [option.title() for option in doc["options"]]


def filled(doc: dict[str, Any]) -> list[str]:
    return [doc["question"] + " " + option for option in (doc["right"], doc["wrong"].split(";")[0])]


def first(doc: dict[str, Any]) -> int:
    return 0


def metrics(doc: dict[str, Any], results: Any) -> dict[str, float]:
    return {"acc": 1.0}
