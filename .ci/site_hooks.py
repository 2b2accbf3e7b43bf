"""What mkdocs asks while it builds the site: every command's flags, and formulas that need no script.

The pages in docs/ are read on their own too, so nothing here may be needed to follow them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape
from textwrap import dedent
from typing import Any

MARK = "<!-- the site shows every command's flags here -->"
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
LABEL = re.compile(r"\[`?(?:docs/|\.\./)?(?:\w+/)?([\w-]+\.md)`?\]\(")
DIAGRAM = re.compile(r"```mermaid\nflowchart \w+\n(.*?)```", re.DOTALL)
ARGUMENT = re.compile(r"(<p>|[.;)]\s)([a-z]\w*(?:, [a-z]\w*)*): ")
"""Where a docstring begins to say what an argument is: a line of its own on the page."""
ESCAPED = re.compile(r"<code>[^<]*\\\|[^<]*</code>")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Pages by their titles, and flags out of the parser itself, so that none is forgotten or stale."""
    markdown = DIAGRAM.sub(_arrows, with_titles(markdown, titles(config["nav"])))
    if page.file.src_uri != "commands.md":
        return markdown
    if MARK not in markdown:
        raise ValueError(f"docs/commands.md: {MARK} is missing")
    return markdown.replace(MARK, "\n\n".join(sections()))


def _arrows(found: re.Match[str]) -> str:
    """A diagram as its list of arrows: what draws it would have to be fetched."""
    return "```text\n" + dedent(found[1]).replace("-->", "→") + "```"


def titles(nav: Any) -> dict[str, str]:
    """A page's file -> what the navigation calls it."""
    found: dict[str, str] = {}
    for entry in nav:
        for title, inside in entry.items() if isinstance(entry, dict) else ():
            found |= {inside: title} if isinstance(inside, str) else titles(inside)
    return found


def with_titles(markdown: str, known: dict[str, str]) -> str:
    """`[gate.md](gate.md#x)` is `[The gate](gate.md#x)` here: a reader of the site sees no files."""
    by_name = {file.rpartition("/")[2]: title for file, title in known.items()}
    return LABEL.sub(lambda found: f"[{by_name.get(found[1], found[1])}](", markdown)


def on_page_content(html: str, *, page: Any, **_: Any) -> str:
    """Each formula as MathML, which browsers draw by themselves; `a\\|b` in a table's code without GitHub's escape."""
    if page.file.src_uri == "api.md":
        html = ARGUMENT.sub(r"\1<br><strong>\2</strong>: ", html).replace("<p><br>", "<p>")
    return FORMULA.sub(_mathml, ESCAPED.sub(lambda found: found[0].replace("\\|", "|"), html))


def on_post_page(output: str, **_: Any) -> str:
    """For screen readers: the search has a name, and an empty head of a table is none."""
    output = output.replace(' role="dialog">', ' role="dialog" aria-label="Search">')
    return re.sub(r"<th([^>]*)></th>", r"<td\1></td>", output)


def _mathml(found: re.Match[str]) -> str:
    from latex2mathml.converter import convert

    return convert(unescape(found[3]), display="inline" if found[2] == "(" else "block")


def sections() -> Iterator[str]:
    """A heading, the help text and a table a panel, of each command that `--help` lists."""
    for name, command, context in commands():
        words = " ".join(part for part in command.collect_usage_pieces(context) if part != "[OPTIONS]")
        yield f"## `{name}`"
        yield f"`calibaudit {name}{f' {words}' if words else ''}`"
        yield escape(re.sub(r"\s*\n\s*(?!\n)", "\n", command.help or "").strip(), quote=False)
        for panel, rows in panels(command, context).items():
            yield "\n".join([f"| {panel} | what it does |", "| --- | --- |", *rows])


def commands(command: Any = None, name: str = "", above: Any = None) -> Iterator[tuple[str, Any, Any]]:
    """Name, command and context of each, groups opened: `tasks show`."""
    if command is None:
        import typer

        from calibaudit.cli.app import app

        command = typer.main.get_command(app)
    context = command.context_class(command, parent=above, info_name=name.rpartition(" ")[2] or "calibaudit")
    if name and (command.callback is not None or not hasattr(command, "commands")):
        yield name, command, context
    for word, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from commands(below, f"{name} {word}".strip(), context)


def panels(command: Any, context: Any) -> dict[str, list[str]]:
    """Panel -> a table row a flag, both in the help's order."""
    found: dict[str, list[str]] = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None:  # hidden
            continue
        is_flag = parameter.param_type_name == "option"
        panel = getattr(parameter, "rich_help_panel", None) or ("Options" if is_flag else "Arguments")
        flag, what = (" ".join(text.split()).replace("|", "\\|") for text in record)
        found.setdefault(panel, []).append(f"| `{flag}` | {escape(what, quote=False)} |")
    return found
