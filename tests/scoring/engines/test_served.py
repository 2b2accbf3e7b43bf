"""Scores from a server against the same network in this process, in every way in which a server can be asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from completions_server import CompletionsServer
from whole_rows import assert_equal, make_task, whole_rows

from calibaudit.analysis.side_warnings import side_warnings
from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import ModelError
from calibaudit.models.model import Model
from calibaudit.scores.from_dict import scores_from_dict
from calibaudit.scores.thinking import Thinking
from calibaudit.scoring.encode import Encoder
from calibaudit.scoring.engines.connection import Retries
from calibaudit.scoring.engines.server import ServedModel, open_server
from calibaudit.scoring.prompts import plain_prompt
from calibaudit.scoring.score import score
from calibaudit.tasks.items import Item, Task

Serve = Callable[..., CompletionsServer]

PLAIN = ChatSettings("off")
TEXT = {"shape": "echo", "takes_ids": False}

WHOLE: dict[str, tuple[dict[str, Any], str]] = {
    "vllm": ({"shape": "prompt_logprobs"}, "prompts as token ids, prompt_logprobs"),
    "echo": ({"shape": "echo"}, "prompts as token ids, echo with logprobs"),
    "echo-without-generation": ({"shape": "echo", "echo_with": (0,)}, "prompts as token ids, echo with logprobs"),
    "text": (TEXT, "prompts as text, echo with logprobs"),
    "text-bos": (TEXT | {"adds_bos": True}, "prompts as text without the BOS that it adds, echo with logprobs"),
    "text-hidden-bos": (TEXT | {"adds_bos": True, "hides_bos": True}, ""),
}


def opened(server: CompletionsServer, **options: Any) -> ServedModel:
    return open_server(server.name(), tokenizer="demo:base", retries=Retries(3, 0.01, 0.05), **options)


@pytest.mark.parametrize("way", WHOLE)
def test_every_whole_prompt_gives_what_the_network_gives(way: str, serve: Serve, demo: Model) -> None:
    how, mode = WHOLE[way]
    server = serve(**how)
    said: list[str] = []
    served = opened(server, notice=said.append)
    assert mode in said[0]
    for task in (make_task(6, longest=12), make_task(6, "letter", longest=12)):
        scores = score(task, served, chat=PLAIN)
        assert_equal(scores, whole_rows(task, demo))
        assert scores.model.engine.startswith(f"server {server.url} (prompts as ")
        assert scores.n_bounded == 0
    bos = demo.tokenizer.bos_token_id
    assert all(ids[0] == bos and bos not in ids[1:] for ids in server.prompts[-40:]), "one BOS, never two"


def test_pmi_is_what_the_network_gives(serve: Serve, demo: Model) -> None:
    task = make_task(4, "pmi", longest=6)
    here = score(task, demo, chat=PLAIN)
    for how in ({"shape": "prompt_logprobs"}, TEXT):
        there = score(task, opened(serve(**how)), chat=PLAIN)
        assert there.unconditional is not None
        assert here.unconditional is not None
        np.testing.assert_allclose(there.unconditional, here.unconditional, rtol=0, atol=1e-4)
    with pytest.raises(ModelError, match=r"no log-probability of token 1, the first .* behind its own BOS"):
        score(task, opened(serve(**TEXT, adds_bos=True, hides_bos=True)), chat=PLAIN)


def own_rows(task: Task, model: Model) -> list[tuple[torch.Tensor, list[int]]]:
    """Of each item all log-probabilities behind the context, and the options' tokens."""
    encoder = Encoder(model.tokenizer, model.prefix_token_id, model.max_length)
    found = []
    for encoded in encoder.encode([plain_prompt(item, "t") for item in task.items]):
        (row,) = encoded.rows
        with torch.no_grad():
            logits = model.network(torch.tensor([row.context])).logits[0, -1]
        found.append((logits.double().log_softmax(-1), [tokens[0] for tokens in row.continuations]))
    return found


@pytest.mark.parametrize(("shape", "n_most"), [("next", 20), ("next", 5), ("content", 5)])
def test_a_list_of_next_tokens_bounds_what_is_outside(shape: str, n_most: int, serve: Serve, demo: Model) -> None:
    task = make_task(8, "letter", longest=12)
    server = serve(shape=shape, n_most=n_most, takes_ids=shape == "content")
    served = opened(server)
    scores = score(task, served, chat=PLAIN)
    n_bounded = n_unranked = 0
    for row, (logprobs, tokens) in zip(scores.logprobs, own_rows(task, demo), strict=True):
        least = float(logprobs.topk(n_most).values[-1])
        expected = [max(float(logprobs[token]), least) for token in tokens]
        np.testing.assert_allclose(row[: len(tokens)], expected, rtol=0, atol=1e-4)
        outside = [float(logprobs[token]) < least for token in tokens]
        n_bounded += any(outside)
        n_unranked += all(outside)
    assert scores.n_bounded == n_bounded
    assert n_bounded > 0
    (warning,) = [text for text in side_warnings([scores], [None]) if "outside" in text]
    assert f"made {n_bounded} of 8 items" in warning
    assert ("nothing ranks them" in warning) == bool(n_unranked)
    again = scores_from_dict(scores.to_dict(), scores.model, "made")
    assert again.n_bounded == n_bounded
    assert "n_bounded" not in dataclasses.replace(scores, n_bounded=0).to_dict()
    assert len(server.requests) < 60


def test_a_list_of_next_tokens_serves_letters_alone(serve: Serve) -> None:
    served = opened(serve(shape="next"))
    assert f"{served.notices[1]}".count("only letter tasks can be scored") == 1
    with pytest.raises(ModelError, match=r"made: scored as cloze, .* gives only the next token's most probable"):
        score(make_task(2), served, chat=PLAIN)
    long = Task("made", "1", "letter", (Item("one", "the cat", ("A", "a good deal more"), 0),))
    with pytest.raises(ModelError, match=r"one.*: a choice has \d+ tokens, and .* only the next token's"):
        score(long, served, chat=PLAIN)


def test_log_probabilities_one_token_too_late_are_seen(serve: Serve) -> None:
    """As llama-cpp-python pairs them for a model that puts no BOS before a text."""
    served = opened(serve(shape="echo", shifted=True))
    whole, told = served.notices
    assert "the next token's 20 most probable" in whole
    assert "as the next and" in told
    assert "what stands beside the prompt's tokens is not theirs" in told


def test_a_bos_that_our_tokenizer_has_not_is_refused(serve: Serve, demo: Model, tmp_path: Any) -> None:
    tokenizer = type(demo.tokenizer).from_pretrained(demo.tokenizer.name_or_path)
    tokenizer.backend_tokenizer.post_processor = None  # transformers' `add_bos_token: false`
    tokenizer.save_pretrained(tmp_path)
    server = serve(**TEXT, adds_bos=True)
    with pytest.raises(ModelError, match=r"it adds a token, as if a BOS, which ours has not"):
        open_server(server.name(), tokenizer=str(tmp_path))


def test_another_tokenizer_is_named_by_its_first_difference(serve: Serve, demo: Model) -> None:
    server = serve(shape="echo")
    served = opened(server)
    other = demo.tokenizer("dog", add_special_tokens=False)["input_ids"][0]

    def altered(answer: Any) -> Any:
        tokens = answer["choices"][0]["logprobs"]["tokens"]
        return answer if len(tokens) < 4 else {**answer, "choices": [_with_token(answer, 3, other)]}

    def _with_token(answer: Any, place: int, id_: int) -> Any:
        answer["choices"][0]["logprobs"]["tokens"][place] = demo.tokenizer.decode([id_])
        return answer["choices"][0]

    server.behaviour.altered = altered
    with pytest.raises(ModelError, match=r"made: item 'i\d': .*: token 3 of the prompt is '.+' here and 'd' there"):
        score(make_task(2, longest=12), served, chat=PLAIN)


def test_a_wrong_number_of_tokens_is_refused(serve: Serve) -> None:
    server = serve()
    served = opened(server)

    def altered(answer: Any) -> Any:
        answer["choices"][0]["prompt_logprobs"].pop()
        return answer

    server.behaviour.altered = altered
    with pytest.raises(ModelError, match=r"it has (\d+) tokens where the prompt has \d+"):
        score(make_task(2), served, chat=PLAIN)


def test_what_is_said_of_token_ids_is_not_hidden_by_what_is_said_of_texts(serve: Serve, shared: Path) -> None:
    """A server that takes token ids alone: where it fails with them, that is the reason, and `next` in use is none."""
    (asked, told) = opened(serve(shape="next", takes_text=False)).notices
    assert "prompts as token ids, the next token's 20 most probable" in asked
    reasons = told.partition("most probable next tokens (")[2]
    assert reasons.startswith("prompt_logprobs: with token ids there are no prompt_logprobs in it, as text http")
    assert "; echo with logprobs: with token ids " in reasons
    assert "the next token's most probable:" not in reasons
    with pytest.raises(ModelError, match=r"made: another tokenizer: token \d+ is .* with --tokenizer$"):
        open_server(serve(takes_text=False).name(), tokenizer=str(shared / "models" / "stories260k"))


def test_text_without_a_count_is_refused(serve: Serve) -> None:
    with pytest.raises(ModelError, match=r"no way was found .*usage.prompt_tokens is missing"):
        opened(serve(**TEXT, usage=False))


def test_no_thoughts_are_written_by_a_server(serve: Serve) -> None:
    served = open_server(serve().name(), tokenizer="demo:instruct")
    with pytest.raises(ModelError, match="only a model that runs in this process can think, not serv"):
        score(make_task(1), served, thinking=Thinking(8))


def test_the_window_is_the_servers(serve: Serve) -> None:
    assert opened(serve(declared={"max_model_len": 100})).max_length == 98
    assert opened(serve(shape="next", declared={"meta": {"n_ctx": 100}})).max_length == 99
    assert opened(serve()).max_length == 510  # of the tokenizer's folder: 512
    served = opened(serve(declared={"max_model_len": 20}))
    scores = score(make_task(6), served, chat=PLAIN)
    assert scores.n_truncated > 0
    assert np.isfinite(scores.logprobs[:, 0]).all()
