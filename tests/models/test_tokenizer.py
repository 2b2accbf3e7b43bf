"""Two checkpoints' vocabularies: the same, one that grew, one that differs."""

from __future__ import annotations

import pytest

from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.tokenizer import check_vocabularies
from tests.families import save_tiny, tiny_tokenizer


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return find_checkpoint(str(save_tiny(tmp_path_factory.mktemp("models") / "base")))


def grown(*tokens):
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(list(tokens), special_tokens=True)
    return tokenizer


def test_the_same_is_fine(base):
    check_vocabularies(base, base, tiny_tokenizer(), tiny_tokenizer())


def test_a_new_token_in_a_reserved_row_is_fine(base):
    assert len(tiny_tokenizer()) < 131  # rows of the model
    check_vocabularies(base, base, tiny_tokenizer(), grown("<|im_start|>"))


def test_a_token_beyond_the_rows_is_refused_by_name(base):
    tokens = [f"<|{i}|>" for i in range(131 - len(tiny_tokenizer()) + 1)]
    with pytest.raises(ModelError, match=rf"lacks: '<\|{len(tokens) - 1}\|>', number 131, .* 131 rows; give --start"):
        check_vocabularies(base, base, tiny_tokenizer(), grown(*tokens))


def test_other_tokens_at_the_same_place_are_refused_by_name(base):
    with pytest.raises(ModelError, match=rf"token {len(tiny_tokenizer())} is '<\|a\|>' in one, '<\|b\|>' in the other"):
        check_vocabularies(base, base, grown("<|a|>"), grown("<|b|>"))
