"""README's and the site's pictures, out of the current code: `python docs/images/make.py` (a minute; Chromium needed).

demo.json is the audit of the bundled pair, compare.svg the first part of its page in a terminal, report.png the first
screen of its report. `--saved` draws both again from demo.json alone.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
RESULT, TERMINAL, REPORT = FOLDER / "demo.json", FOLDER / "compare.svg", FOLDER / "report.png"

COLUMNS = 80
SCREEN = (1200, 800)
END = " By level of difficulty"
"""The terminal's picture ends before the part that begins so: what follows is read, not seen."""

SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  line-height: {line_height}px; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""rich's own frame fetches its font; this one takes what the reader has, and each text has its width besides."""


def audited() -> dict[str, Any]:
    """`calibaudit compare` of the bundled pair, as typed; without the questions of its worst errors."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        command = [sys.executable, "-m", "calibaudit", "compare", "--no-progress", "--quiet", "-o", str(path)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return {**json.loads(path.read_text(encoding="utf-8")), "errors": []}


def page(result: Mapping[str, Any]) -> str:
    """The first part of the page as a terminal gets it, colours and all."""
    from rich.console import Console

    from calibaudit.report.terminal.saved import page_of

    console = Console(
        file=io.StringIO(),
        width=COLUMNS,
        force_terminal=True,
        color_system="standard",
        _environ={},
        legacy_windows=False,
    )
    with console.capture() as shown:
        page_of(result, RESULT.name)(console)
    begin, found, _ = shown.get().partition(END)
    assert found, f"the page has no part that begins with {END!r}"
    return begin.rstrip()


def terminal(result: Mapping[str, Any]) -> str:
    """compare.svg."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=io.StringIO(), width=COLUMNS, record=True, force_terminal=True, _environ={})
    console.print(Text.from_ansi(f" $ calibaudit compare\n\n{page(result)}"))
    drawn = console.export_svg(title="calibaudit compare", code_format=SVG, unique_id="page")
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def report(result: Mapping[str, Any], path: Path) -> None:
    """report.png: the report's first screen in a browser, light, in 256 colours."""
    from PIL import Image

    from calibaudit.report.document.html import html_page
    from tests.report.chromium import Chromium

    with tempfile.TemporaryDirectory() as folder:
        saved, shot = Path(folder) / "report.html", Path(folder) / "shot.png"
        saved.write_text(html_page(result, RESULT.name), encoding="utf-8")
        with Chromium(Path(folder) / "profile") as browser:
            browser.call("Emulation.setScrollbarsHidden", hidden=True)
            browser.open(saved, *SCREEN)
            browser.screenshot(shot)
        with Image.open(shot) as drawn:
            drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    if "--saved" not in sys.argv:
        RESULT.write_text(json.dumps(audited(), separators=(",", ":"), ensure_ascii=True) + "\n", encoding="utf-8")
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    TERMINAL.write_text(terminal(result), encoding="utf-8")
    report(result, REPORT)
    for path in (RESULT, TERMINAL, REPORT):
        sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
