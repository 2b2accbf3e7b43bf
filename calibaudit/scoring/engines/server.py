"""A served model as an engine: an OpenAI-compatible /completions, asked for the log-probabilities of rows."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from calibaudit.errors import ModelError
from calibaudit.models.tokenizer import prefix_token_id
from calibaudit.scores.scores import ModelInfo
from calibaudit.scoring.cache import ItemCache, PromptResult
from calibaudit.scoring.encode import Encoder, Row, Take, Tokens
from calibaudit.scoring.engines.address import Address, address_of, shown
from calibaudit.scoring.engines.asking import Asker
from calibaudit.scoring.engines.connection import Connection, Refused, Retries, api_key
from calibaudit.scoring.engines.engine import RowResults
from calibaudit.scoring.engines.local_tokenizer import LocalTokenizer, local_tokenizer
from calibaudit.scoring.engines.pool import in_parallel
from calibaudit.scoring.engines.probe import Probed, probe
from calibaudit.scoring.engines.replies import Reply, Unreadable
from calibaudit.scoring.engines.versions import versions_of
from calibaudit.tasks.items import Task

CONCURRENCY = 8

SAME_MODEL = 0.25
"""Nats by which a kept log-probability of the probe's texts may differ, and still be of the model that is served."""

_PROBE_KEY = "probe"


class ServedModel:
    """A model of a server, in the mode that `probe` found. Use `open_server`."""

    def __init__(
        self, address: Address, declared: dict[str, Any], local: LocalTokenizer, asker: Asker, found: Probed, n: int
    ) -> None:
        self._address = address
        self._declared = declared
        self._digest = local.digest
        self._asker = asker
        self._found = found
        self._n_threads = n
        self.tokenizer = local.tokenizer
        self.prefix_token_id = prefix_token_id(local.tokenizer)
        self.n_embeddings: int | None = None
        self.n_ranks = 1
        window = window_of(declared) or local.window
        mode = found.mode  # an engine wants room for what it generates, and scoring's rows have one token more
        self.max_length = window - 1 - (mode.max_tokens if mode.reading != "next" else 0)
        self.info = ModelInfo(
            name=address.model,
            revision="unknown",
            dtype="unknown",
            device="server",
            family="unknown",
            n_parameters=0,
            vocab_size=0,
            head="log-probabilities of the server",
            engine=f"server {address.url} ({mode})",
        )

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should read."""
        name = f"{self._address.url}#{self._address.model}"
        told = [f"{name}: asked with {self._found.mode}"]
        if self._found.mode.reading == "next":
            told.append(
                f"{name}: only letter tasks can be scored, from the most probable next tokens ({self._found.fallback})"
            )
        return tuple(told)

    def settings(self) -> dict[str, Any]:
        return {
            "engine": "server",
            "url": self._address.url,
            "model": self._address.model,
            "declared": self._declared.get("root"),
            "tokenizer": self._digest,
            "mode": str(self._found.mode),
            "max_length": self.max_length,
            "versions": versions_of(self.info),
        }

    def check_task(self, task: Task) -> None:
        if self._found.mode.reading == "next" and task.scoring != "letter":
            raise ModelError(
                f"{task.name}: scored as {task.scoring}, it needs the log-probability of every token of a choice, and "
                f"{self._address.url} gives only the next token's most probable ones ({self._found.fallback}); ask it "
                "letter tasks, or serve the model with an engine that gives those of a prompt, as vLLM does"
            )

    def check_kept(self, cache: ItemCache) -> None:
        kept, values = cache.get(_PROBE_KEY), self._found.values
        if kept is None:
            cache.add([PromptResult(_PROBE_KEY, values, (1,) * len(values), truncated=False)])
            return
        apart = max((abs(a - b) for a, b in zip(kept.logprobs, values, strict=False)), default=0.0)
        if len(kept.logprobs) != len(values) or not apart <= SAME_MODEL:
            raise ModelError(
                f"{self._address.url}#{self._address.model}: it now serves another model under this name than the "
                f"finished items in {cache.path} are of (log-probabilities differ by {apart:.2g}); remove that file, "
                "name another folder with --cache-dir, or give --no-cache"
            )

    def score_rows(self, rows: Sequence[Row], names: Sequence[str], take: Take | None = None) -> Iterator[RowResults]:
        """One request a sequence; in a mode that reads the next token only, one a context. take: asked by threads."""
        if self._found.mode.reading == "next":
            return self._score_next(rows, names, take)
        return self._score_whole(rows, names, take)

    def _score_whole(self, rows: Sequence[Row], names: Sequence[str], take: Take | None) -> Iterator[RowResults]:
        owners: dict[Tokens, list[tuple[int, int]]] = {}
        for r, row in enumerate(rows):
            for c, tokens in enumerate(row.continuations):
                owners.setdefault(row.context + tokens, []).append((r, c))
        values = [[math.nan] * len(row.continuations) for row in rows]
        n_open = [len(row.continuations) for row in rows]
        sequences = list(owners)
        of_rows = [[r for r, _ in owners[ids]] for ids in sequences]
        for number, reply in self._replies(sequences, of_rows, names, take):
            for r, c in owners[sequences[number]]:
                values[r][c] = self._sum(reply, len(rows[r].context), names[r])
                n_open[r] -= 1
                if not n_open[r]:
                    yield RowResults((r,), (tuple(values[r]),))

    def _score_next(self, rows: Sequence[Row], names: Sequence[str], take: Take | None) -> Iterator[RowResults]:
        owners: dict[Tokens, list[int]] = {}
        for r, row in enumerate(rows):
            longest = max(map(len, row.continuations))
            if longest > 1:
                raise ModelError(
                    f"{names[r]}: a choice has {longest} tokens, and {self._address.url} gives only the next token's "
                    "most probable ones"
                )
            owners.setdefault(row.context, []).append(r)
        contexts = list(owners)
        for number, reply in self._replies(contexts, [owners[ids] for ids in contexts], names, take):
            for r in owners[contexts[number]]:
                found = [self._listed(reply, tokens[0]) for tokens in rows[r].continuations]
                least = min(token.logprob for token in reply.next if token.logprob is not None)
                outside = tuple(c for c, value in enumerate(found) if value is None)
                yield RowResults((r,), (tuple(least if v is None else v for v in found),), (outside,))

    def _replies(
        self, prompts: Sequence[Tokens], of_rows: Sequence[Sequence[int]], names: Sequence[str], take: Take | None
    ) -> Iterator[tuple[int, Reply]]:
        """of_rows: the rows that each prompt is for; one that is for none that is taken is not sent."""

        def job(ids: Tokens, rows: Sequence[int]) -> Callable[[threading.Event], Reply | None]:
            def ask(stop: threading.Event) -> Reply | None:
                if take is not None:
                    taken = [take(r) for r in rows]  # each of them: it is claimed
                    if not any(taken):
                        return None
                try:
                    return self._asker.ask(self._found.mode, ids, stop)
                except Unreadable as fault:
                    raise ModelError(f"{names[rows[0]]}: {self._address.url}: {fault}") from None
                except Refused as error:
                    raise ModelError(f"{names[rows[0]]}: {error}") from None

            return ask

        jobs = [job(ids, rows) for ids, rows in zip(prompts, of_rows, strict=True)]
        for number, reply in in_parallel(jobs, self._n_threads):
            if reply is not None:
                yield number, reply

    def _sum(self, reply: Reply, n_context: int, name: str) -> float:
        total = 0.0
        for place, token in enumerate(reply.prompt[n_context:], n_context):
            if token.logprob is None:
                raise ModelError(
                    f"{name}: {self._address.url} gives no log-probability of token {place}, the first that it shows "
                    "behind its own BOS, and the context is empty; score without pmi and with a prompt"
                )
            total += token.logprob
        return total

    def _listed(self, reply: Reply, id_: int) -> float | None:
        """The token's own log-probability; None where it is not listed."""
        for token in reply.next:
            if token.id == id_ or (token.id is None and token.text == self._asker.text_of(id_)):
                return token.logprob
        return None


def open_server(
    name: str,
    *,
    tokenizer: str | None = None,
    concurrency: int = CONCURRENCY,
    offline: bool = False,
    notice: Callable[[str], None] = lambda text: None,
    retries: Retries | None = None,
) -> ServedModel:
    """The served model called `server:http://HOST:PORT/v1#MODEL`, once it is known how it can be asked.

    tokenizer: a folder or hub id; None: the model's name is one. concurrency: requests at once. offline: fetch no
    tokenizer. notice: called with each sentence the user should read. The key is read from the environment.
    Raises ModelError: one line that names the server, the fault and the way out.
    """
    address, key = address_of(name), api_key()
    connection = Connection(address, key, retries)
    if key is not None and address.url.startswith("http://") and not address.is_local:
        notice(f"{address.url}: no TLS: the key in the environment travels unencrypted")
    address, declared = _declared(address, connection)
    local = local_tokenizer(name, address.model, tokenizer, offline=offline)
    asker = Asker(connection, address.model, local.tokenizer)
    encoder = Encoder(local.tokenizer, prefix_token_id(local.tokenizer), local.window)
    served = ServedModel(address, declared, local, asker, probe(asker, encoder, shown(name)), concurrency)
    for text in served.notices:
        notice(text)
    return served


def _declared(address: Address, connection: Connection) -> tuple[Address, dict[str, Any]]:
    """The address with a model in it, and what the server's list says of that; nothing where there is no list."""
    try:
        answer = connection.get("models")
    except Refused as error:
        if error.status != 404:
            raise
        answer = None
    entries = answer.get("data") if isinstance(answer, dict) else None
    listed = {str(e.get("id")): e for e in entries or () if isinstance(e, dict)} if isinstance(entries, list) else {}
    names = ", ".join(sorted(listed)[:5])
    if not address.model:
        if len(listed) != 1:
            raise ModelError(f"{address.url}: name its model behind a #; it lists {names or 'none'}")
        return Address(address.url, next(iter(listed))), next(iter(listed.values()))
    if listed and address.model not in listed:
        raise ModelError(f"{address.url}: it does not serve {address.model!r}; it lists {names}")
    return address, listed.get(address.model, {})


def window_of(declared: dict[str, Any]) -> int | None:
    """Tokens, as vLLM, SGLang or llama.cpp declare them; None for servers that do not."""
    meta = declared.get("meta")
    found = (declared.get("max_model_len"), meta.get("n_ctx") if isinstance(meta, dict) else None)
    return next((value for value in found if isinstance(value, int) and value > 2), None)
