"""How the prompts were written, in the few words that a page has for it."""

from __future__ import annotations

from collections.abc import Iterable

from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.side_warnings import shown_text
from calibaudit.files.text import shortened
from calibaudit.scores.prompt_format import PromptFormat


def prompt_facts(result: Comparison | ModelAudit) -> list[str]:
    """Each fact once, of one model's tasks or of both sides'."""
    formats: Iterable[PromptFormat | None]
    if isinstance(result, Comparison):
        formats = (side for task in result.tasks for side in task.prompts)
    else:
        formats = (task.prompt for task in result.tasks)
    return list(dict.fromkeys(fact for found in formats if found is not None for fact in _facts(found)))


def _facts(found: PromptFormat) -> list[str]:
    facts = []
    if found.named not in ("auto", "off", "both"):
        facts.append(f"template {shortened(found.named, 40)}")
    if found.answer_at == "generation-prompt":
        facts.append("answers at the end of the generation prompt")
    if found.between:
        named = {" ": "a space", "\n": "a line break"}.get(found.between, shown_text(found.between))
        facts.append(f"answers {'begin with' if found.between.isspace() else 'behind'} {named}")
    if found.thinking:
        facts.append(f"answers after thoughts of {found.thinking}")
    if found.date:
        facts.append(f"template date {found.date}")
    if found.kwargs:
        facts.append(f"template arguments {shortened(found.kwargs, 60)}")
    if found.system:
        facts.append(f"system text {shown_text(found.system)}")
    if found.answer_prefix:
        facts.append(f"every answer begins with {shown_text(found.answer_prefix)}")
    if found.multiturn is not None and found.template:
        facts.append("examples as turns" if found.multiturn else "examples in one turn")
    return facts
