from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.patches import Rectangle
from scipy.stats import binomtest

from calibaudit.analysis.audit import Reliability
from calibaudit.analysis.estimates import Change
from calibaudit.figures.draw import FEW, Panel, draw_all_changes, draw_changes, draw_confidence, draw_reliability
from calibaudit.figures.svg import inline_svg, png_file, shared_styles, svg_file
from calibaudit.metrics.inference.proportion import wilson

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["before", "<b>&'\"", "_hidden", "$x^2$", "مرحبا", "名前\x00\n", ""]


def diagram(counts=(0, 40, 3, 57), accuracy=(np.nan, 0.5, 1.0, 0.7)):
    confidence = np.where(np.array(counts) > 0, [0.2, 0.4, 0.6, 0.9], np.nan)
    return Reliability(np.linspace(0, 1, 5), np.array(counts), confidence, np.array(accuracy))


SIDES = [("before", diagram()), ("after", diagram((10, 20, 30, 40), (0.1, 0.2, 0.5, 0.6)))]
ROWS = [
    ("one", Change(0.1, 0.05, 0.2, 0.01), True),
    ("two", Change(-0.1, -0.3, 0.1, 0.4), False),
    ("none", Change(None, None, None, None), False),
]
FIGURES = {
    "reliability": lambda: draw_reliability(SIDES, 0.95),
    "confidence": lambda: draw_confidence(SIDES),
    "changes": lambda: draw_changes(Panel("Change", ROWS)),
    "all changes": lambda: draw_all_changes([Panel("Change", ROWS), Panel("Other", ROWS, 2)], ("base", "tuned")),
}


@pytest.mark.parametrize("successes", [0, 1, 7, 20])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_against_scipy(successes, level):
    expected = binomtest(successes, 20).proportion_ci(level, method="wilson")
    assert wilson(successes / 20, 20, level) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_the_same_figure_gives_the_same_bytes_whatever_the_users_style(draw):
    first = (svg_file(draw()), png_file(draw()), inline_svg(draw(), "x", "label"))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": "other", "axes.grid": False}):
        assert (svg_file(draw()), png_file(draw()), inline_svg(draw(), "x", "label")) == first


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_nothing_is_cut_off(draw):
    figure = draw()
    FigureCanvasAgg(figure).draw()
    page = figure.bbox
    ticks = {id(t) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for t in axis.get_ticklabels()}
    seen = 0
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_visible() and text.get_text().strip():
            box = text.get_window_extent()
            inside = box.x0 >= -1 and box.x1 <= page.x1 + 1 and box.y0 >= -1 and box.y1 <= page.y1 + 1
            # a tick outside its axes' limits is not drawn
            assert inside or id(text) in ticks, (text.get_text(), box)
            seen += 1
    assert seen > 5


def test_counts_above_a_thousand_keep_their_room():
    figure = draw_reliability([("a", diagram((0, 40_000, 3, 57_000)))], 0.95)
    FigureCanvasAgg(figure).draw()
    strip = figure.axes[1]
    labels = [label.get_text() for label in strip.get_yticklabels()]
    assert any(label.endswith("k") for label in labels)
    assert strip.yaxis.label.get_window_extent().x0 >= 0


def test_a_file_carries_no_date_no_address_and_no_name_of_ours():
    text = svg_file(FIGURES["reliability"]()).decode()
    ElementTree.fromstring(text)
    assert "dc:date" not in text
    assert "<text" not in text  # outlines: the same on every machine
    assert not re.findall(r'(?:href|src)="(?!#)', text)
    png = png_file(FIGURES["reliability"]())
    assert png.startswith(b"\x89PNG")
    assert b"Software" not in png
    assert b"tIME" not in png


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_shown_as_text(name):
    sides = [(name, diagram()), ("other", diagram())]
    for figure in (
        draw_reliability(sides, 0.95),
        draw_confidence(sides),
        draw_changes(Panel("t", [(name, ROWS[0][1], True)])),
    ):
        root = ElementTree.fromstring(inline_svg(figure, "n", name).replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" '))
        assert {element.tag for element in root.iter()} <= {
            SVG + tag for tag in ("svg", "g", "path", "text", "defs", "clipPath", "rect", "use", "pattern", "tspan")
        }
        texts = "".join("".join(element.itertext()) for element in root.iter(f"{SVG}text"))
        assert name.replace("\x00", "␀").replace("\n", "").strip() in texts
        assert "\x00" not in texts


def test_inline_figures_share_a_page():
    texts = [inline_svg(draw(), name, name) for name, draw in FIGURES.items()]
    ids = [id for text in texts for id in re.findall(r'\bid="([^"]+)"', text)]
    assert len(ids) == len(set(ids))
    for text in texts:
        used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
        assert used <= set(ids)
        assert "<style" not in text
        assert not re.search(r"#[0-9a-f]{6}", text), "a colour that knows no dark page"
        assert text.startswith('<svg role="img" aria-label="')


def test_reliability_shows_the_numbers():
    figure = draw_reliability(SIDES, 0.95)
    top, strip = figure.axes
    filled = [c.get_offsets() for c in top.findobj(PathCollection)]
    shown = sorted((round(x, 6), round(y, 6)) for offsets in filled for x, y in np.asarray(offsets))
    expected = sorted(
        (round(c, 6), round(a, 6))
        for _, d in SIDES
        for n, c, a in zip(d.count, d.confidence, d.accuracy, strict=True)
        if n
    )
    assert shown == expected
    bars = [bar.get_height() for bar in strip.findobj(Rectangle) if bar is not strip.patch]
    assert sorted(bars) == sorted(int(n) for _, d in SIDES for n in d.count)


def test_bins_with_few_items_stand_off_the_line():
    top = draw_reliability([("a", diagram())], 0.95).axes[0]
    line = max(top.lines, key=lambda line: line.get_zorder())
    assert list(line.get_xdata()) == [0.4, 0.9]
    assert diagram().count[2] < FEW


def test_histograms_stack_right_and_wrong():
    panel = draw_confidence([("a", diagram())]).axes[0]
    bars = [bar for bar in panel.findobj(Rectangle) if bar is not panel.patch and bar.get_width() == 0.25]
    right, wrong = bars[:4], bars[4:]
    assert [bar.get_height() for bar in right] == [0, 20, 3, 40]
    assert [bar.get_height() for bar in wrong] == [0, 20, 0, 17]
    assert [bar.get_y() for bar in wrong] == [bar.get_height() for bar in right]


def texts_of(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_a_forest_plot_has_a_whole_zero_line_and_says_which_way_is_worse():
    axes = draw_changes(Panel("Change in ECE", ROWS)).axes[0]
    (zero,) = [line for line in axes.lines if set(line.get_xdata()) == {0}]
    assert list(zero.get_ydata()) == [0, 1]  # from edge to edge of the axes
    assert zero.get_transform() == axes.get_xaxis_transform()
    low, high = axes.get_xlim()
    assert low < -0.3 < 0.2 < high
    shown = texts_of(axes)
    assert "← better" in shown
    assert "worse →" in shown


def test_the_file_of_all_changes_names_the_models_and_the_marks():
    figure = draw_all_changes([Panel("Change in accuracy", ROWS, ends=("worse", "better"))], ("base", "<b>tuned"))
    shown = texts_of(figure)
    assert "base → <b>tuned" in shown
    assert {"significant", "not", "better →", "← worse"} <= set(shown)
    marks = [handle.get_markerfacecolor() for handle in figure.legends[0].get_lines()]
    assert len(set(marks)) == 2
    filled = [c.get_facecolor()[0] for c in figure.axes[0].findobj(PathCollection)]
    assert (filled[0] == matplotlib.colors.to_rgba(marks[0])).all()  # the first row is significant
    assert (filled[1] == matplotlib.colors.to_rgba(marks[1])).all()


def test_styles_of_a_page_stand_once():
    figure = inline_svg(FIGURES["changes"](), "x", 'a label with style="color: red" in it')
    page = shared_styles(f'<style>\np {{ color: red }}\n</style><p>style="x"</p>{figure}{figure}')
    head, body = page.split("</style>")
    styles = re.findall(r' style="([^"(]*(?:var\([^"(]*)*)"', figure)
    assert {line.split("{", 1)[1].strip(" }") for line in head.splitlines() if line.startswith(".s")} == set(styles)
    assert '<p>style="x"</p>' in body
    assert "a label with style=&quot;color: red&quot; in it" in body
    assert len(page) < len(figure) * 2
