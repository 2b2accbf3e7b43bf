"""Writes questions.jsonl, which the samples here were made of; needs calibaudit alone."""

import json
from pathlib import Path

from calibaudit import load_tasks

(words,) = load_tasks(["words"])
lines = []
for item in words.items[:12]:
    question = item.context.removeprefix("Question: ").removesuffix("\nAnswer:")
    options = "".join(f"{letter}. {choice}\n" for letter, choice in zip("ABCD", item.choices, strict=True))
    row = {
        "id": item.id,
        "question": question,
        "choices": list(item.choices),
        "answer": item.answer,
        "letter_prompt": f"Question: {question}\n{options}Answer:",
        "cloze_prompt": f"Question: {question}\nAnswer:",
    }
    lines.append(json.dumps(row) + "\n")
(Path(__file__).parent / "questions.jsonl").write_text("".join(lines), encoding="utf-8")
