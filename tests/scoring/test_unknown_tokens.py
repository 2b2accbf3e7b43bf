"""A tokenizer with more tokens than its model: an error that names item and token, wherever the token stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibaudit.errors import ModelError
from calibaudit.models.model import Model, load_model
from calibaudit.scoring.encode import Encoder
from calibaudit.scoring.score import score
from calibaudit.tasks.items import Item, Task
from tests.families import VOCAB, save_tiny, tiny_tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = save_tiny(tmp_path_factory.mktemp("grown"))
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([f"<extra{i}>" for i in range(VOCAB)])
    tokenizer.save_pretrained(folder)
    return load_model(str(folder), device="cpu")


def task_with(context: str, choices: tuple[str, ...]) -> Task:
    plain = Item("first", "the cat sat on", ("the mat", "the house"), 0)
    return Task("pets", "1", "cloze", (plain, Item("second", context, choices, 0)))


@pytest.mark.parametrize(
    ("context", "choices"),
    [
        ("a dog <extra130> ran to", ("the mat", "the house")),
        ("a dog ran to", ("the mat", "the <extra130> house")),
        ("the cat <extra130>\n\na dog ran to", ("the mat", "the house")),  # as in an example before the question
    ],
)
def test_item_and_token_are_named(model: Model, context: str, choices: tuple[str, ...]) -> None:
    token = model.tokenizer.convert_tokens_to_ids("<extra130>")
    assert token >= VOCAB == model.n_embeddings
    with pytest.raises(ModelError) as caught:
        score(task_with(context, choices), model)
    message = str(caught.value)
    assert message.startswith(f"pets: item 'second': token '<extra130>' (id {token}) is outside the model's {VOCAB}")
    assert "\n" not in message


def test_added_tokens_that_the_model_knows_are_scored(model: Model) -> None:
    known = next(f"<extra{i}>" for i in range(VOCAB) if model.tokenizer.convert_tokens_to_ids(f"<extra{i}>") < VOCAB)
    assert score(task_with(f"a dog {known} ran to", ("the mat", "the house")), model).n_items == 2


def test_what_generation_goes_on_from(model: Model) -> None:
    encoder = Encoder(model.tokenizer, model.prefix_token_id, model.max_length, model.n_embeddings)
    assert len(encoder.contexts([("the cat", False)], ["pets: item 'first'"])) == 1
    with pytest.raises(ModelError, match=r"pets: item 'second': token '<extra130>' \(id \d+\) is outside"):
        encoder.contexts(
            [("the cat", False), ("the cat <extra130>", False)], ["pets: item 'first'", "pets: item 'second'"]
        )


def test_where_nobody_says_how_many_there_are_all_are_taken(model: Model) -> None:
    encoder = Encoder(model.tokenizer, model.prefix_token_id, model.max_length)
    (tokens,) = encoder.contexts([("<extra130>", False)], ["pets"])
    assert max(tokens) >= VOCAB


def test_a_folder_says_on_loading_that_its_tokenizer_is_larger(model: Model, tmp_path: Path) -> None:
    assert any("text with the others cannot be scored" in warning for warning in model.warnings)
    assert not load_model(str(save_tiny(tmp_path)), device="cpu").warnings
