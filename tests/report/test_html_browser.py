"""The HTML report in a real browser: what it asks for, whether it fits, whether it can be read and reached.

CALIBAUDIT_SCREENSHOTS names a folder where the pictures are kept, for a person to look at.
"""

from __future__ import annotations

import base64
import os
import struct
from pathlib import Path

import pytest
from chromium import BINARY, Chromium
from made_results import audit_result, comparison_result, hostile_result

from calibaudit.report.document.html import html_page

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"needs Chromium at {BINARY}: apt-get install chromium")

WINDOWS = [(375, 812), (1024, 768), (1600, 900)]
RESULTS = {
    "usual": comparison_result,
    "gated": lambda: comparison_result(gated=True),
    "audit": audit_result,
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


@pytest.fixture(scope="module", params=RESULTS)
def page(request, folder):
    path = folder / f"{request.param}.html"
    path.write_text(html_page(RESULTS[request.param]()), encoding="utf-8")
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_it_fits_can_be_read_and_asks_for_nothing(browser, page, width, height, dark):
    browser.open(page, width, height, dark=dark)
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(ESCAPED) == []
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


def test_hostile_text_stays_text(browser, folder):
    path = folder / "hostile.html"
    path.write_text(html_page(hostile_result()), encoding="utf-8")
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
    expected = browser.evaluate("document.querySelectorAll('a, summary, [tabindex=\"0\"]').length")
    reached = 1
    while reached < expected:
        tab()
        assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert browser.evaluate("document.activeElement.matches('a, summary, [tabindex]')")
        reached += 1
    assert browser.evaluate("document.activeElement.closest('#measured') !== null")


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
