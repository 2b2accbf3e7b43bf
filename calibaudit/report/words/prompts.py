"""How the prompts were written, in the few words that a page has for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from calibaudit.analysis.audit import ModelAudit, TaskAudit
from calibaudit.analysis.compare import Comparison, TaskComparison
from calibaudit.analysis.side_warnings import shown_text
from calibaudit.files.text import shortened
from calibaudit.scores.prompt_format import PromptFormat


def row_names(tasks: Sequence[TaskComparison] | Sequence[TaskAudit]) -> list[str]:
    """The tasks' names in a table, with `(chat)` only where rows differ in it; else the page says it once."""
    mixed = len({task.chat_template for task in tasks}) > 1
    return [task.label if mixed else task.name for task in tasks]


def asked_facts(result: Comparison | ModelAudit) -> list[str]:
    """How it was asked, for a page's header: the scorings, the chat template, how the prompts were written."""
    facts = [" + ".join(sorted({task.scoring for task in result.tasks}))]
    word = {False: "off", True: "on"}
    if isinstance(result, Comparison):
        pairs = {task.chat_template for task in result.tasks}
    else:
        pairs = {(task.chat_template, task.chat_template) for task in result.tasks}
    if pairs != {(False, False)}:
        found = [" → ".join(dict.fromkeys((word[b], word[a]))) for b, a in sorted(pairs)]
        facts.append(f"chat template {', '.join(found)}")
    return facts + prompt_facts(result)


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
