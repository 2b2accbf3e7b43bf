"""Matplotlib figures as parts of an HTML page and as files; their colours and style.

A figure's unit is the CSS pixel: 72 a matplotlib inch, text of 11. The same figure gives the same bytes.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from calibaudit.figures.slim import slimmed
from calibaudit.files.text import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS = 72
_MAX_LABEL = 600
INK, MUTED, RULE, PAPER = "#1b2330", "#586174", "#ccd2dc", "#ffffff"
SIDES = ("#1f5fbf", "#b8460e")
"""Before and after: apart in hue and in lightness, and in the shape of their marks."""
PALES = ("#c9dbf5", "#f6d3bf")
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    PAPER: "var(--paper)",
    SIDES[0]: "var(--before)",
    SIDES[1]: "var(--after)",
    PALES[0]: "var(--before-pale)",
    PALES[1]: "var(--after-pale)",
}
_STYLE: dict[str, Any] = {
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.linewidth": 1,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": PIXELS,
    "figure.facecolor": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "hatch.linewidth": 1.4,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.labelcolor": INK,
    "savefig.facecolor": "none",
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "xtick.bottom": False,  # the grid's lines are marks enough
    "xtick.color": RULE,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 11,
    "ytick.color": RULE,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 11,
    "ytick.left": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's defaults with ours on top, whatever the user's matplotlibrc says; no word about its font cache."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        import matplotlib.style

        with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in a script without a font
            yield
    finally:
        logger.setLevel(level)


def inline_svg(figure: Figure, name: str, label: str) -> str:
    """An <svg> element for an HTML page: text as text, colours as CSS variables, `label` for screen readers.

    name: stands in the ids, so that several figures fit in one page.
    """
    root = slimmed(_svg(figure, name, fonttype="none"))
    box = root.get("viewBox", "")
    root.attrib = {"role": "img", "aria-label": one_line(label, _MAX_LABEL), "viewBox": box}
    return re.sub(r"<[^>]+>", _in_page_colours, ElementTree.tostring(root, encoding="unicode"))


def shared_styles(page: str) -> str:
    """A page whose figures name their styles: each stands once, at the end of the page's own <style>.

    A pattern stays where it is used: the style sheet names no address, not even one inside the page.
    """
    names: dict[str, str] = {}

    def named(tag: re.Match[str]) -> str:
        return re.sub(
            r' style="([^"(]*(?:var\([^"(]*)*)"',
            lambda m: f' class="{names.setdefault(m[1], f"s{len(names)}")}"',
            tag[0],
        )

    def renamed(figure: re.Match[str]) -> str:
        return re.sub(r"<[a-z][^>]*>", named, figure[0])

    page = re.sub(r"<svg .*?</svg>", renamed, page, flags=re.DOTALL)
    rules = "\n".join(f".{name} {{ {style} }}" for style, name in names.items())
    return page.replace("</style>", f"{rules}\n</style>", 1)


def svg_file(figure: Figure) -> bytes:
    """A whole SVG file, text as outlines, on white."""
    figure.set_facecolor(PAPER)
    return _svg(figure, "calibaudit", fonttype="path").encode()


def png_file(figure: Figure) -> bytes:
    """A PNG at twice the figure's size in pixels, on white."""
    figure.set_facecolor(PAPER)
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=2 * PIXELS, facecolor=PAPER, metadata={"Software": None})
    return buffer.getvalue()


def _svg(figure: Figure, salt: str, *, fonttype: str) -> str:
    import matplotlib

    buffer = io.StringIO()
    with style(), matplotlib.rc_context({"svg.hashsalt": f"calibaudit {salt}", "svg.fonttype": fonttype}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _in_page_colours(match: re.Match[str]) -> str:
    """A tag in the page's colours and font."""
    tag = re.sub(r"(font-family:|font: [^;\"]*?px) [^;\"]*", r"\1 var(--font)", match[0])
    return re.sub(r"#[0-9a-f]{6}\b", lambda colour: _VARIABLES.get(colour[0], colour[0]), tag)
