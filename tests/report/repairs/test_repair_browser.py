"""A repair's HTML page in a real browser: it fits and asks for nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_repairs import made
from report.chromium import BINARY, Chromium

from calibaudit.report.document.html import html_page
from calibaudit.report.repair_json import repair_dict
from calibaudit.report.result_json import result_text

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"needs Chromium at {BINARY}: apt-get install chromium")

OUTSIDE = """
[...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll') && !e.closest('.skip') && e.getClientRects().length)
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize("name", ["best of three", "not needed"])
def test_it_fits_and_asks_for_nothing(browser, tmp_path, name):
    path: Path = tmp_path / "repair.html"
    path.write_text(html_page(json.loads(result_text(repair_dict(made(name))))), encoding="utf-8")
    for width, dark in ((1280, False), (400, True)):
        browser.open(path, width, dark=dark)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.evaluate(OUTSIDE) == []
        assert browser.requests() == [path.resolve().as_uri()]
        assert browser.complaints() == []
        headings = browser.evaluate("[...document.querySelectorAll('h2')].map(e => e.textContent)")
        proven = ["Task by task", "Confidence", "All metrics", "How it was measured"]
        shown = ["What was done?", "Where is it?"]
        expected = [*shown, "Read this first", "What was tried", "How it was done", *proven]
        assert headings == (expected if name == "best of three" else ["Read this first", "How it was done"])
        links = "[...document.querySelectorAll('nav a')].filter(a => !document.querySelector(a.getAttribute('href')))"
        assert browser.evaluate(f"{links}.length") == 0
