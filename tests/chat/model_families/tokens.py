"""Runs of tokens that are learned, and tokens as text."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chat.model_families.family import Family


def shown(one: Family, ids: Sequence[int]) -> str:
    """Tokens as text, with the space that `▁` stands for."""
    if one.kind == "bytes":
        return str(one.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))
    return "".join(one.tokenizer.convert_ids_to_tokens(list(ids))).replace("▁", " ")


def runs(ids: Sequence[int], learned: Sequence[bool]) -> list[list[int]]:
    """The learned tokens, each run of neighbours by itself."""
    parts: list[list[int]] = [[]]
    for token, is_learned in zip(ids, learned, strict=True):
        if is_learned:
            parts[-1].append(token)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def twin_runs(one: Family, turns: list[dict[str, str]]) -> list[str]:
    """The text of the runs that trl's training template marks as the model's."""
    encoded = one.new_tokenizer(f"trl:{one.twin}").apply_chat_template(
        turns, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, **one.kwargs
    )
    return [shown(one, run) for run in runs(encoded["input_ids"], [mask == 1 for mask in encoded["assistant_masks"]])]
