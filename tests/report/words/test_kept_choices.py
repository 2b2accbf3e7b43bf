"""What a temperature keeps is said alike on every page, and no more of it than is so."""

from __future__ import annotations

import io

import numpy as np
import pytest
from made_scores import TUNED, made_scores
from rich.console import Console

from calibaudit.advice.recommend import recommend
from calibaudit.analysis.compare import compare
from calibaudit.report.document.html import html_page
from calibaudit.report.document.markdown import markdown_page
from calibaudit.report.result_json import comparison_dict
from calibaudit.report.saved_advice import recommendation_of
from calibaudit.report.terminal.saved import page_of
from calibaudit.report.words.findings import advice, option_words, trade_sentences

ALL = "keeps every first choice"
CAVEAT = ", though a checkpoint may change those among choices of several tokens"


def made(n_tokens, *, lossy=False):
    """A pair of which a temperature is advised, or smoothing, with a temperature beside it."""
    more = {"n_tokens": np.full((2_000, 4), n_tokens)}
    after = {"heat": 1.2, "noise": 0.8} if lossy else {"heat": 2.5}
    sides = [made_scores(2_000, heat=0.5 if lossy else 1.0, **more), made_scores(2_000, model=TUNED, **after, **more)]
    comparison = compare(*sides)
    return comparison_dict(comparison, recommend(*sides, comparison))


def pages(result):
    stream = io.StringIO()
    page_of(result, "x")(Console(file=stream, width=100))
    texts = stream.getvalue(), html_page(result), markdown_page(result).replace("\\", "")
    return [" ".join(text.split()) for text in texts]


@pytest.mark.parametrize(("n_tokens", "end"), [(1, "."), (3, f"{CAVEAT}.")])
def test_the_advice_is_one_sentence_everywhere(n_tokens, end):
    result = made(n_tokens)
    terminal, html, markdown = pages(result)
    said = f"no training; it {ALL}{end}"
    assert said in terminal
    assert f"{said[:-1]}. fix tries it" in html
    assert said in markdown
    assert [CAVEAT in page for page in (terminal, html, markdown)] == [n_tokens > 1] * 3


@pytest.mark.parametrize("n_tokens", [1, 3])
def test_so_is_how_it_stands_to_smoothing(n_tokens):
    result = made(n_tokens, lossy=True)
    end = CAVEAT if n_tokens > 1 else ""
    for page in pages(result):
        assert f"costs no training and {ALL}{end} (ECE" in page
        assert "fix --method temperature." in page
        assert "INSTRUCT" not in page
        assert "BASE" not in page


def test_a_file_that_said_too_much_is_read_as_it_is():
    """As it was saved before: every first choice, also where choices have several tokens."""
    result = made(3, lossy=True)
    found = result["recommendation"]
    older = {
        **found,
        "options": [{**one, "kept": one["kept"].replace(CAVEAT, "")} for one in found["options"]],
        "trades": [text.replace(CAVEAT, "") for text in found["trades"]],
    }
    assert CAVEAT not in str(older)
    now, then = (recommendation_of({"recommendation": one}) for one in (found, older))
    assert then.trades == now.trades
    assert trade_sentences(then)[0].count(CAVEAT) == 1
    assert [option_words(one) for one in then.options] == [option_words(one) for one in now.options]
    bare = recommendation_of({"recommendation": {**made(1)["recommendation"], "options": []}})
    assert "every first choice" not in advice(bare)  # whether it is so is not known
