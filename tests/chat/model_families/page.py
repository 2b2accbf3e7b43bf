"""The table in docs/templates.md: `python -m tests.chat.model_families.page` writes it anew."""

from __future__ import annotations

from pathlib import Path

from tests.chat.model_families.family import Family, family, names

PAGE = Path(__file__).resolve().parents[3] / "docs" / "templates.md"
HEAD = (
    "| family | the answer's turn, up to the answer | first token | what ends a turn | the generation prompt |",
    "| --- | --- | --- | --- | --- |",
)


def table() -> str:
    """The table, a line a family."""
    return "\n".join([*HEAD, *sorted(map(_line, map(family, names())), key=str.casefold)]) + "\n"


def written(page: str) -> str:
    """The page's text with the table in its place."""
    before, _, rest = page.partition(HEAD[0])
    lines = rest.splitlines(keepends=True)
    end = next((i for i, line in enumerate(lines) if i and not line.startswith("|")), len(lines))
    return before + table() + "".join(lines[end:])


def _line(one: Family) -> str:
    if len(set(one.ends)) == 1:
        ends = _code(one.ends[0])
    else:
        ends = f"{_code(one.ends[-1])}; earlier turns: {_code(one.ends[0])}"
    return f"| {one.title} | {_code(one.tail)} | {_code(one.first)} | {ends} | {_prompt(one)} |"


def _prompt(one: Family) -> str:
    if one.prompt == one.tail:
        return "the same"
    n_shared = next((i for i, (a, b) in enumerate(zip(one.prompt, one.tail, strict=False)) if a != b), len(one.prompt))
    opened = one.prompt[one.prompt.rfind("<") :].rstrip()
    if opened == "<think>":
        return f"opens a thought: {_code(opened + one.prompt.rpartition(opened)[2])}"
    assert n_shared == len(one.prompt), f"{one.name}: say how its generation prompt differs"
    return f"lacks {_code(one.tail[n_shared:])}"


def _code(text: str) -> str:
    """As code, with what cannot be seen spelled out and no bar that would end a cell."""
    shown = text.replace("\n", "\\n").replace("|", "\\|")
    bare = shown.strip(" ")
    edge = len(shown) - len(shown.lstrip(" "))
    return f"`{'␣' * edge}{bare}{'␣' * (len(shown) - edge - len(bare))}`"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
