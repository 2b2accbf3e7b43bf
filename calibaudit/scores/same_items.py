"""Which item of one side is which of the other: by their documents, or by what two readers of one data set agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from calibaudit.errors import ScoresError
from calibaudit.scores.schema import IntArray
from calibaudit.scores.scores import Scores

ENOUGH_NATS = float(np.log(1e6))
"""How much the items' answers and choices must tell one order of the items from another."""


def in_order_of(before: Scores, after: Scores, where: str) -> Scores:
    """`after` in the order of `before`'s documents; as it is where one of them has none.

    Two readers may have the same rows in two forms (a task file's, and a log of another tool that prepared them). Where
    no document is common, then, ids pair the items, if all that the model saw is the same, or if one side is such a log
    and answers, numbers of choices and the choices' lengths are: see `paired_by_ids`.
    Raises ScoresError naming the first item that is another one.
    """
    if before.documents is None or after.documents is None or before.documents == after.documents:
        return after
    old, new = _keys(before, before.documents), _keys(after, after.documents)
    place = {key: i for i, key in enumerate(new)}
    missing = next((i for i, key in enumerate(old) if key not in place), None)
    if missing is None and len(place) == len(new):
        return after.in_order(np.array([place[key] for key in old], dtype=np.int64))
    is_another_form = set(before.documents).isdisjoint(after.documents)
    if before.fingerprint == after.fingerprint and is_another_form:
        return after
    i = next(i for i in range(len(old)) if old[i] != new[i]) if missing is None else missing
    if have_two_readers(before, after):
        found = paired_by_ids(before, after) if is_another_form else "the other rows are as they were"
        if isinstance(found, Scores):
            return found
        raise ScoresError(
            f"{where}: the items differ: the row of {before.item_ids[i]!r} before is none of those after; {found}, so "
            "nothing shows that the questions are the same, though one side is a log, whose rows may have been prepared"
        )
    how = "; score both with the same data"
    if is_another_form and before.model.logged_by:
        how = ", or one of the logs was imported by an earlier version of calibaudit: import it again"
    raise ScoresError(
        f"{where}: the items differ: {before.item_ids[i]!r} before has another question, options, answer or group than "
        f"{after.item_ids[i]!r} after{how}"
    )


def have_two_readers(before: Scores, after: Scores) -> bool:
    """Whether the rows were read by two tools, or by calibaudit and by another tool."""
    return before.model.logged_by != after.model.logged_by


def paired_by_ids(before: Scores, after: Scores) -> Scores | str:
    """`after` in the order of `before`'s ids, or the reason why that could pair items that are not the same.

    The ids must be the same, and for each the right answer, the number of choices, and the choices' bytes and
    characters where both sides have them. And those must vary enough over the items: any other order of the items
    would agree with a chance of less than 1e-6.
    """
    place = {identity: i for i, identity in enumerate(after.item_ids)}
    if len(place) != len(after.item_ids) or set(before.item_ids) != set(place):
        return "the ids of the items are not the same"
    ordered = after.in_order(np.array([place[identity] for identity in before.item_ids], dtype=np.int64))
    signs = [_signs(part, with_lengths=_has_lengths(before) and _has_lengths(after)) for part in (before, ordered)]
    other = next((i for i, (one, two) in enumerate(zip(*signs, strict=True)) if one != two), None)
    if other is not None:
        return f"item {before.item_ids[other]!r} has another answer or other choices"
    if _nats(signs[0]) < ENOUGH_NATS:
        return f"the answers and choices of {before.n_items} items are too similar to tell them apart"
    return ordered


def are_paired_by_ids(before: Scores, after: Scores) -> bool:
    """Whether rows that `in_order_of` has put in order were paired without the same documents or prompts."""
    documents = before.documents, after.documents
    return None not in documents and documents[0] != documents[1] and before.fingerprint != after.fingerprint


def _keys(scores: Scores, documents: Sequence[str]) -> list[tuple[str, ...]]:
    """What tells the items apart: the document; and the id, where a document stands there twice."""
    if len(set(documents)) == len(documents):
        return [(document,) for document in documents]
    return list(zip(documents, scores.item_ids, strict=True))


def _has_lengths(scores: Scores) -> bool:
    """False for a baseline, which holds 1 for each."""
    return bool((scores.n_bytes > 1).any())


def _signs(scores: Scores, *, with_lengths: bool) -> list[tuple[int, ...]]:
    """Of each item what the two readers must agree on."""
    columns: list[IntArray] = [scores.answer[:, None], (scores.n_tokens > 0).sum(axis=1)[:, None]]
    if with_lengths:
        columns += [scores.n_bytes, scores.n_chars]
    rows: list[list[int]] = np.column_stack(columns).tolist()
    return [tuple(row) for row in rows]


def _nats(signs: Sequence[tuple[int, ...]]) -> float:
    """Minus the logarithm of the chance that the items in a random order show the same."""
    from math import lgamma

    counts = Counter(signs).values()
    return lgamma(len(signs) + 1) - sum(lgamma(count + 1) for count in counts)
