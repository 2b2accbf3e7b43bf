"""The HTML report in a real browser: what it asks for, whether it fits, whether it can be read and reached.

CALIBAUDIT_SCREENSHOTS names a folder where the pictures are kept, for a person to look at.
"""

from __future__ import annotations

import base64
import functools
import os
import struct
from pathlib import Path

import pytest
from chromium import AXE, BINARY, Chromium
from made_results import audit_result, comparison_result, hostile_result
from matplotlib.image import imread
from report.pages.parsed_page import Page

from calibaudit.figures import draw, svg
from calibaudit.report.document.html import html_page
from calibaudit.report.figures.choose import change_panels, sides_of
from calibaudit.report.saved import comparison_of

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"needs Chromium at {BINARY}: apt-get install chromium")

WINDOWS = [(375, 812), (1024, 768), (1600, 900)]
NINE = ("arithmetic", "calendar", "categories", "elements", "geography", "orders", "reading", "units", "words")


def audit57():
    return audit_result(names=tuple(f"mmlu_high_school_subject_{i}" for i in range(57)), n_items=30)


RESULTS = {
    "usual": lambda: comparison_result(names=NINE, n_items=120),
    "gated": lambda: comparison_result(gated=True),
    "audit": audit_result,
    "audit57": audit57,
    "hostile": hostile_result,
    "many": lambda: comparison_result(names=tuple(f"subject_{i}" for i in range(30)), n_items=30),
}

TEXTS = """
(() => {
  const channel = v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const parse = s => { const v = s.match(/[\\d.]+/g).map(Number); return v.length > 3 ? v : [...v, 1]; };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3]));
  const behind = e => {
    const layers = [];
    for (; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement;
    if (!node.data.trim() || !e.getClientRects().length || e.closest('.skip')) continue;
    const style = getComputedStyle(e), svg = e.closest('svg');
    const back = behind(svg ? svg.parentElement : e);
    const ink = over(parse(svg ? style.fill : style.color), back);
    const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
    found.push({text: node.data.trim().slice(0, 40), contrast: (a + 0.05) / (b + 0.05)});
  }
  return found;
})()
"""

ESCAPED = """
[...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll') && !e.closest('.skip') && e.getClientRects().length)
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1
            || e.getBoundingClientRect().left < -1)
  .map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40))
"""

CUT = """
[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1)
  .map(e => e.firstElementChild.getAttribute('aria-labelledby') + ' ' + e.scrollWidth + ' > ' + e.clientWidth)
"""

OVERLAPS = """
[...document.querySelectorAll('svg')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim() && !/rotate\\((?!-?0 )/.test(
    t.getAttribute('transform') || '')).map(t => [t.textContent.trim(), t.getBoundingClientRect()]);
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) =>
    Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1
    && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 3).map(([b]) => a + ' | ' + b));
})
"""

SVG_CUT = """
[...document.querySelectorAll('svg')].flatMap(svg => {
  const s = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()])
    .filter(([, t]) => t.left < s.left - 1 || t.right > s.right + 1 || t.top < s.top - 1 || t.bottom > s.bottom + 1)
    .map(([text]) => text);
})
"""

FIRST_SCREEN = """
[...document.querySelectorAll('h1, .badge, .big')]
  .map(e => [e.textContent.trim().slice(0, 40), e.getBoundingClientRect().bottom, innerHeight])
  .filter(([, bottom, height]) => bottom > height).map(([text]) => text)
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    named = os.environ.get("CALIBAUDIT_SCREENSHOTS")
    path = Path(named) if named else tmp_path_factory.mktemp("pages")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="module")
def pages(folder):
    """Each page's file by its name, made once."""

    @functools.cache
    def made(name):
        path = folder / f"{name}.html"
        path.write_text(html_page(RESULTS[name]()), encoding="utf-8")
        return path

    return made


@pytest.fixture(scope="module", params=[name for name in RESULTS if name != "audit57"])
def page(request, pages):
    return pages(request.param)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_it_fits_can_be_read_and_asks_for_nothing(browser, page, width, height, dark):
    browser.open(page, width, height, dark=dark)
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(ESCAPED) == []
    assert browser.evaluate(CUT) == []
    assert browser.requests() == [page.resolve().as_uri()]
    assert browser.complaints() == []
    texts = browser.evaluate(TEXTS)
    assert len(texts) > 100
    assert [text for text in texts if text["contrast"] < 4.5] == []
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(18, 22, 29)") == dark
    picture = page.with_name(f"{page.stem}-{width}{'-dark' if dark else ''}.png")
    browser.screenshot(picture)
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (width, height)
    if "CALIBAUDIT_SCREENSHOTS" in os.environ:
        browser.screenshot(picture.with_name(f"{picture.stem}-whole.png"), whole=True)


@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_the_first_screen_is_enough(browser, page, width, height):
    browser.open(page, width, height)
    if page.stem != "hostile":  # there the names alone fill a telephone
        assert browser.evaluate(FIRST_SCREEN) == []
    assert browser.evaluate("document.querySelectorAll('h1, .big').length") == 4


def test_a_telephone_gets_cards_and_folded_diagrams(browser, pages):
    """At most 5,000 pixels of nine tasks before anything is opened; all of it is there when it is."""
    path = pages("usual")
    browser.open(path, 375, 812)
    assert browser.evaluate("document.documentElement.scrollHeight") <= 5000
    assert browser.evaluate("[...document.querySelectorAll('.fold')].some(e => e.open)") is False
    card = browser.evaluate("document.querySelector('.pairs tbody tr:nth-child(4)').innerText").split()
    row = next(row for name, row in Page(path.read_text("utf-8")).tables() if name == "tasks-t")[5]
    accuracy, ece = [row[2], "→", row[3]], [row[5], "→", row[6]]  # the arrows and labels are the style sheet's
    assert [cell for cell in card if cell != "items"] == [
        row[0],
        row[1],
        *accuracy[::2],
        *ece[::2],
        *row[7].split(),
        *row[8].split(),
    ]
    cell = "document.querySelector(`.pairs tbody tr:nth-child(4) td:nth-of-type(${i})`)"
    labels = f"[2, 3, 5, 6, 7].map(i => getComputedStyle({cell}, '::before').content)"
    assert browser.evaluate(labels) == ['"Accuracy "', '"→ "', '"ECE "', '"→ "', '"ECE change "']
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    heard = [node["role"]["value"] for node in nodes if not node["ignored"]]
    assert heard.count("rowheader") == 11  # for a screen reader the cards are a table still
    assert heard.count("cell") >= 11 * 7
    shown = "[...document.querySelectorAll('svg')].filter(e => e.checkVisibility({contentVisibilityAuto: true})).length"
    assert browser.evaluate(shown) == 1
    browser.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert browser.evaluate(shown) == 1 + 3 + 9 + 1
    assert browser.evaluate("document.documentElement.scrollWidth") <= 375
    assert browser.evaluate(CUT) == []


def test_many_tasks_fit_a_telephone(browser, pages):
    """At most 5,000 pixels of 57 tasks of one model, the worst ten of them at once, and of 30 tasks of two models."""
    for name in ("audit57", "many"):
        browser.open(pages(name), 375, 812)
        assert browser.evaluate("document.documentElement.scrollHeight") <= 5000, name
    browser.open(pages("audit57"), 375, 812)
    shown = "[...document.querySelectorAll('.one tbody tr:not(.whole)')].filter(e => e.checkVisibility())"
    names = browser.evaluate(f"{shown}.map(e => e.querySelector('th').innerText)")
    tasks = audit57()["tasks"]
    over = [task for task in tasks if task["metrics"]["gap"]["low"] > 0]
    assert 20 < len(over) < len(tasks)
    worst = sorted(over, key=lambda task: -task["metrics"]["ece"]["value"])
    assert names == [task["name"] for task in worst[:10]]
    card = browser.evaluate(f"{shown}[0].innerText").split()
    row = Page(pages("audit57").read_text("utf-8")).tables()[1][1][2]
    assert card == " ".join([*row[:6], *row[8:10]]).split()  # its labels are the style sheet's
    browser.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert browser.evaluate(f"{shown}.length") == 57
    assert browser.evaluate(CUT) == []


@pytest.mark.parametrize("width", [320, 600, 704, 760, 768, 960, 992, 1200, 1280, 2000])
def test_nothing_is_cut_between_the_usual_widths(browser, pages, width):
    for name in ("usual", "gated", "audit", "audit57"):
        browser.open(pages(name), width)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.evaluate(CUT) == []
        assert browser.evaluate(ESCAPED) == []


def test_a_wide_screen_is_used(browser, pages):
    """Cards end where the diagram beside them does, their text fills them, and tables reach the right edge."""
    browser.open(pages("usual"), 1600, 900)
    bottoms = browser.evaluate(
        "['.answers', '.hero'].map(e => document.querySelector(e).getBoundingClientRect().bottom)"
    )
    assert bottoms[0] == pytest.approx(bottoms[1], abs=2)
    unused = (
        "[...document.querySelectorAll('.card')].map(e => e.getBoundingClientRect().bottom"
        " - e.lastElementChild.getBoundingClientRect().bottom)"
    )
    assert max(browser.evaluate(unused)) < 80
    assert browser.evaluate(
        "[...document.querySelectorAll('.fold')].every(e => e.getBoundingClientRect().height > 100)"
    )
    right = "document.querySelector('main').getBoundingClientRect().right"
    tables = "['#tasks table', '#levels-t ~ .scroll table', '#metrics table', '#bins-t ~ .scroll table']"
    found = f"{tables}.map(e => document.querySelector(e)).filter(e => e)"
    ends = browser.evaluate(f"{found}.map(e => {right} - e.getBoundingClientRect().right)")
    assert max(ends) < 2


def test_broken_and_undecided_look_different(browser, pages):
    browser.open(pages("gated"), 1024)
    looks = (
        "['broken', 'undecided', 'kept'].map(name => { const style = getComputedStyle(document.querySelector("
        "`.checks tr.${name} td:last-child`)); return [style.backgroundColor, style.boxShadow, style.color].join(); })"
    )
    assert len(set(browser.evaluate(looks))) == 3


@pytest.mark.skipif(not AXE.exists(), reason=f"needs axe-core at {AXE}: npm install axe-core, and CALIBAUDIT_AXE")
@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [
        ("usual", 375, True),
        ("audit57", 375, True),
        ("usual", 1600, False),
        ("gated", 1024, True),
        ("hostile", 375, False),
    ],
)
def test_axe_finds_nothing(browser, pages, name, width, dark):
    browser.open(pages(name), width, dark=dark)
    assert browser.violations() == []
    browser.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert browser.violations() == []


@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_nothing_in_a_diagram_is_cut_or_overlaps(browser, page, width, height):
    browser.open(page, width, height)
    assert browser.evaluate(SVG_CUT) == []
    if page.stem != "hostile":
        assert browser.evaluate(OVERLAPS) == []
    # Letters as they appear, the diagram's scale included.
    heights = "[...document.querySelectorAll('svg text')].filter(t => t.textContent.trim())"
    scale = "t.closest('svg').getBoundingClientRect().width / t.closest('svg').viewBox.baseVal.width"
    assert browser.evaluate(f"Math.min(...{heights}.map(t => parseFloat(getComputedStyle(t).fontSize) * {scale}))") >= 9


def test_a_slimmed_diagram_looks_as_matplotlib_drew_it(browser, tmp_path):
    """Pixel by pixel, in the colours of a light page."""
    comparison = comparison_of(comparison_result())
    names, pooled = ("base", "tuned"), (comparison.pooled.before, comparison.pooled.after)
    drawn = {
        "reliability": lambda: draw.draw_reliability(sides_of(names, pooled), 0.95),
        "confidence": lambda: draw.draw_confidence(sides_of(names, pooled)),
        "changes": lambda: draw.draw_changes(change_panels(comparison)[0]),
    }
    looks = "".join(f"{name[4:-1]}: {colour};" for colour, name in svg._VARIABLES.items())
    look = f":root {{ {looks} --font: 'DejaVu Sans' }} svg {{ width: 400px; height: auto }}"
    head = f"<!DOCTYPE html><style>{look}</style>"
    for name, figure in drawn.items():
        pictures = []
        for kind, text in (
            ("whole", svg._svg(figure(), name, fonttype="none").partition("<svg")[2]),
            ("slim", svg.inline_svg(figure(), name, name).removeprefix("<svg")),
        ):
            path = tmp_path / f"{name}-{kind}.html"
            path.write_text(f"{head}<svg{text}", encoding="utf-8")
            browser.open(path, 420, 700)
            browser.screenshot(path.with_suffix(".png"))
            pictures.append(imread(path.with_suffix(".png"))[..., :3])
        apart = abs(pictures[0] - pictures[1]).max(axis=-1)
        assert pictures[0].std() > 0.02
        assert (apart > 0.25).mean() < 0.002, name


def test_hostile_text_stays_text(browser, pages):
    path = pages("hostile")
    browser.open(path, 1024)
    assert browser.evaluate("document.title").startswith("Worse")
    assert browser.evaluate("document.querySelectorAll('script, img, iframe').length") == 0
    assert "<script>document.title='owned'</script>" in browser.evaluate("document.body.innerText")
    assert browser.requests() == [path.resolve().as_uri()]
    assert browser.evaluate("Math.max(...[...document.querySelectorAll('article')].map(a => a.offsetHeight))") < 2500


def test_print_shows_everything(browser, page):
    browser.open(page, 718, 1000, media="print")  # A4 less its margins
    assert browser.evaluate("document.documentElement.scrollWidth") <= 718
    assert browser.evaluate(ESCAPED) == []
    assert browser.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    hidden = "[...document.querySelectorAll('article')].filter(a => !a.checkVisibility({contentVisibilityAuto: true}))"
    assert browser.evaluate(f"{hidden}.length") == 0
    wide = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    assert browser.evaluate(f"{wide}.map(e => e.innerText.slice(0, 40))") == []
    pdf = base64.b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
    assert pdf.startswith(b"%PDF")
    page.with_suffix(".pdf").write_bytes(pdf)


def test_the_keyboard_reaches_everything(browser, page):
    browser.open(page, 1024)

    def tab():
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)

    tab()
    skip = "document.activeElement.className + ' ' + document.activeElement.getBoundingClientRect().top"
    name, top = browser.evaluate(skip).split()
    assert name == "skip"
    assert float(top) >= 0
    stops = "[...document.querySelectorAll('a, summary')].filter(e => e.getClientRects().length)"
    expected = browser.evaluate(f"{stops}.length")
    reached = 1
    while reached < expected:
        tab()
        assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert browser.evaluate("document.activeElement.matches('a, summary')")
        reached += 1
    assert browser.evaluate(f"document.activeElement === {stops}.at(-1)")


def test_the_keyboard_opens_what_is_folded(browser, pages):
    browser.open(pages("usual"), 375)
    browser.evaluate("document.querySelector('#metrics summary').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=" ", code="Space", windowsVirtualKeyCode=32, text=" ")
    assert browser.evaluate("document.querySelector('#metrics details').open")


def test_a_screen_reader_hears_landmarks_and_names(browser, page):
    browser.open(page, 1024)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node["ignored"]]
    for role in ("banner", "main", "navigation", "contentinfo"):
        assert roles.count(role) == 1, role
    assert roles.count("heading") >= 8
    for node in nodes:
        if not node["ignored"] and node["role"]["value"] in (
            "image",
            "region",
            "table",
            "link",
            "navigation",
            "article",
        ):
            assert node["name"]["value"].strip(), node
