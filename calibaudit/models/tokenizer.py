"""Whether two checkpoints speak of the same tokens, so that one can start from, or be smoothed towards, the other."""

from __future__ import annotations

from typing import Any

from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import Checkpoint, read_settings


def check_vocabularies(base: Checkpoint, instruct: Checkpoint, base_tokenizer: Any, instruct_tokenizer: Any) -> None:
    """Raises ModelError, with the first token that differs, unless base has a row for every token of instruct.

    A token that base's tokenizer does not name is no fault where base's model has a row at its place (a reserved one).
    """
    ours, theirs = base_tokenizer.get_vocab(), instruct_tokenizer.get_vocab()
    by_id = {index: token for token, index in ours.items()}
    n_rows = read_settings(base).get("vocab_size") or len(ours)
    advice = "give --start instruct --prior uniform, or name the base that instruct was made from"
    for token, index in sorted(theirs.items(), key=lambda entry: entry[1]):
        if by_id.get(index, token) != token:
            raise ModelError(
                f"{base.name} and {instruct.name} have different vocabularies: token {index} is {by_id[index]!r} in "
                f"one, {token!r} in the other; {advice}"
            )
        if index not in by_id and index >= n_rows:
            raise ModelError(
                f"{instruct.name} has a token that {base.name} lacks: {token!r}, number {index}, and base has "
                f"{n_rows:,} rows; {advice}"
            )
