"""A folder or hub id -> the files of a checkpoint, found, hashed and looked over before any weight is loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from glob import escape
from pathlib import Path
from typing import Any

from calibaudit.errors import ModelError
from calibaudit.files.hub import out_of_reach
from calibaudit.files.paths import check_open, user_path
from calibaudit.files.read import MOST_OF_SETTINGS, read_json
from calibaudit.models.formats.adapter_files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    Adapter,
    adapter_weights,
    check_not_both,
    is_adapter,
    opened_files,
    read_adapter,
    recorded_folder,
)
from calibaudit.models.formats.digests import Digests, identity_of
from calibaudit.models.formats.hub import HUB_ID, hub_file, hub_has_adapter, hub_snapshot, nearest
from calibaudit.models.formats.opened import check_config_file, gguf_advice, has_tokenizer
from calibaudit.models.formats.setting_types import check_settings
from calibaudit.models.formats.shards import INDEX, WEIGHTS, check_safetensors, shard_names, weights_in, why_no_weights

_BESIDE_WEIGHTS = ("README.md", "*.json", "*.txt", "*.model", "*.model.v3", "*.tiktoken", "*.jinja")

DEMO = ("demo:base", "demo:instruct")
"""Names of the checkpoints that come with the package."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a checkpoint's files are, and which they are.

    name: as the user gave it. path: the folder; for a hub id its cached snapshot, which may lack the weights still.
    revision: the hub's commit, or `sha256:` and 16 hex digits over a folder's config, tokenizer and weights; of an
    adapter its own, a +, and its base's. base: what an adapter is applied to, None for whole weights. seen: which
    files of a folder the revision is of, see `check_unchanged`.
    """

    name: str
    path: Path
    revision: str
    from_hub: bool = False
    cache_dir: Path | None = None
    offline: bool = False
    base: Checkpoint | None = None
    seen: str = field(default="", compare=False, repr=False)

    @property
    def own_revision(self) -> str:
        """That of the files in `path` alone."""
        return self.revision.partition("+")[0]

    @property
    def whole(self) -> Checkpoint:
        """What holds the whole weights and their config: the checkpoint itself, or what its adapter is applied to."""
        return self if self.base is None else self.base.whole

    @property
    def tokenizer_path(self) -> Path:
        """The folder whose tokenizer counts: an adapter's own where it has one, else its base's."""
        return self.path if self.base is None or has_tokenizer(self.path) else self.base.tokenizer_path


class BaseNotFoundError(ModelError):
    """An adapter's base is not where its adapter_config.json says, and no other was named."""


def find_checkpoint(
    name: str,
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
    digests: Digests | None = None,
) -> Checkpoint:
    """The checkpoint called `name`: a bundled one (DEMO), a folder, or else a hub id; BASE+ADAPTER names two.

    Loads no weights; from the hub fetches only the config.

    revision: a hub branch, tag or commit; of BASE+ADAPTER the adapter's, where that is on the hub. cache_dir: the hub
    cache. offline: never ask the network. digests: where those of folders are remembered; None: in this process.
    Raises ModelError when there is none, or when it has neither config.json nor adapter_config.json.
    """
    search = _Search(None if cache_dir is None else user_path(cache_dir, ModelError), offline, digests or Digests())
    base, adapter = _parts(name)
    if base is None:
        return _find(name, revision, search)
    of_adapter = revision is None or not user_path(adapter, ModelError).is_dir()
    below = _find(base, None if of_adapter else revision, search)
    return replace(_find(adapter, revision if of_adapter else None, search, below), name=name)


@dataclass(frozen=True)
class _Search:
    """cache: the hub's."""

    cache: Path | None
    offline: bool
    digests: Digests


def base_beside(
    base: str, name: str, *, cache_dir: str | os.PathLike[str] | None = None, offline: bool = False
) -> tuple[str, str | None]:
    """`name`, and nothing to say; or, where it is an adapter whose base is not found, BASE+ADAPTER and a sentence."""
    folder, cache = user_path(name, ModelError), None if cache_dir is None else user_path(cache_dir, ModelError)
    if not folder.exists() and not HUB_ID.fullmatch(name):
        return name, None
    try:
        if folder.exists():
            path = folder if folder.is_dir() and is_adapter(folder) else None
        else:
            found = hub_file(name, ("config.json", ADAPTER_CONFIG), None, cache, offline).parent
            path = found if hub_has_adapter(name, found.name, found, cache, offline) else None
        if path is not None:
            _recorded_base(name, path, read_adapter(name, path), cache, offline)
    except BaseNotFoundError as error:
        return f"{base}+{name}", f"{str(error).partition(';')[0]}: {base} serves as its base"
    except ModelError:
        pass  # said where it is loaded
    return name, None


def _parts(name: str) -> tuple[str | None, str]:
    """(BASE, ADAPTER) of BASE+ADAPTER, at the last + behind which there is something; (None, name) of one name."""
    if not user_path(name, ModelError).exists():
        for at in (i for i in reversed(range(1, len(name) - 1)) if name[i] == "+"):
            if user_path(name[at + 1 :], ModelError).is_dir() or HUB_ID.fullmatch(name[at + 1 :]):
                return name[:at], name[at + 1 :]
    return None, name


def _find(name: str, revision: str | None, search: _Search, base: Checkpoint | None = None) -> Checkpoint:
    """base: what an adapter is applied to; None for what it says itself."""
    cache, offline = search.cache, search.offline
    folder = _demo_folder(name) if name.startswith("demo:") else user_path(name, ModelError)
    if folder.is_dir():
        if revision is not None:
            raise ModelError(
                f"{name}: is a folder, and --revision {revision} chooses among a hub id's versions; drop one"
            )
        check_open(folder, ModelError, name)
        check_not_both(name, folder)
        if is_adapter(folder):
            return _on_base(_hashed(Checkpoint(name, folder, "", False, cache, offline), search.digests), search, base)
        check_config_file(name, folder)
        found = _hashed(Checkpoint(name, folder, ""), search.digests)
    elif folder.exists():
        raise ModelError(f"{name}: is a file, not a checkpoint folder{gguf_advice(folder)}")
    elif not HUB_ID.fullmatch(name):
        raise ModelError(f"{name}: no such folder, and not a hub id like org/name{nearest(folder)}")
    else:
        path = hub_file(name, ("config.json", ADAPTER_CONFIG), revision, cache, offline)
        found = Checkpoint(name, path.parent, path.parent.name, True, cache, offline)
        if hub_has_adapter(name, found.revision, path.parent, cache, offline):
            return _on_base(found, search, base)
    if base is not None:
        raise ModelError(f"{base.name}+{name}: {name} is not an adapter, it has weights of its own; name it alone")
    return found


def _on_base(own: Checkpoint, search: _Search, base: Checkpoint | None) -> Checkpoint:
    adapter = read_adapter(own.name, own.path)
    if base is None:
        named = _recorded_base(own.name, own.path, adapter, own.cache_dir, own.offline)
        is_folder = Path(named).is_dir()
        if is_folder and Path(named).resolve() == own.path.resolve():
            raise ModelError(f"{own.name}: {ADAPTER_CONFIG} names the adapter itself as its base; give BASE+{own.name}")
        base = _find(named, None if is_folder else adapter.base_revision, search)
    return replace(own, revision=f"{own.revision}+{base.revision}", base=base)


def _recorded_base(name: str, path: Path, adapter: Adapter, cache: Path | None, offline: bool) -> str:
    """The folder or hub id that an adapter's config names. Raises BaseNotFoundError."""
    if adapter.base is None:
        raise BaseNotFoundError(f"{name}: {ADAPTER_CONFIG} does not say what it was trained on; give BASE+{name}")
    if (folder := recorded_folder(adapter, path)) is not None:
        return str(folder)
    reason = "no such folder, and not a hub id like org/name"
    if adapter.base in DEMO:
        return adapter.base
    if HUB_ID.fullmatch(adapter.base):
        try:
            hub_file(adapter.base, ("config.json", ADAPTER_CONFIG), adapter.base_revision, cache, offline)
            return adapter.base
        except ModelError as error:
            reason = str(error).removeprefix(f"{adapter.base}: ").partition(";")[0]
    raise BaseNotFoundError(
        f"{name}: its base {adapter.base!r}, as {ADAPTER_CONFIG} has it, was not found ({reason}); "
        f"give BASE+{name}, with BASE a folder or hub id"
    )


def _demo_folder(name: str) -> Path:
    if name not in DEMO:
        raise ModelError(f"{name}: the bundled checkpoints are {' and '.join(DEMO)}")
    folder = Path(__file__).parents[1] / "demo" / name.removeprefix("demo:")
    if not folder.is_dir():
        raise ModelError(f"{name}: its files are missing from this installation ({folder}); install again")
    return folder


def fetch(checkpoint: Checkpoint) -> Checkpoint:
    """Get a hub checkpoint's weights and tokenizer into the cache; a folder is left as it is. Raises ModelError.

    Which files hold weights is read from the index, once that is there: they may have any name.
    """
    found = fetch_tokenizer(checkpoint)
    if found.base is not None:
        patterns: tuple[str, ...] = (ADAPTER_WEIGHTS,)
        found = replace(found, base=fetch(found.base))
    elif (found.path / INDEX).is_file() and not (found.path / WEIGHTS).exists():
        patterns = tuple(escape(file) for file in shard_names(found.name, found.path)) if found.from_hub else ()
    else:
        patterns = (WEIGHTS,)
    return _snapshot(found, patterns)


def fetch_tokenizer(checkpoint: Checkpoint) -> Checkpoint:
    """The same without the weights."""
    found = _snapshot(checkpoint, _BESIDE_WEIGHTS)
    return found if found.base is None else replace(found, base=fetch_tokenizer(found.base))


def _snapshot(checkpoint: Checkpoint, patterns: tuple[str, ...]) -> Checkpoint:
    if not checkpoint.from_hub:
        return checkpoint
    path = hub_snapshot(
        checkpoint.name.rpartition("+")[2], patterns, checkpoint.own_revision, checkpoint.cache_dir, checkpoint.offline
    )
    return replace(checkpoint, path=path)


def weight_files(checkpoint: Checkpoint) -> tuple[Path, ...]:
    """The safetensors files that loading will read, each opened and its size checked; an adapter's among them, last.

    Raises ModelError.
    """
    name, folder = checkpoint.name, checkpoint.path
    if checkpoint.base is not None:
        own = adapter_weights(name, folder)
        check_safetensors(name, own)
        return (*weight_files(checkpoint.base), own)
    check_not_both(name, folder)  # of a folder on the hub this is known only now
    files = weights_in(name, folder)
    if not files:
        reason = why_no_weights(folder)
        if reason is None and checkpoint.from_hub:
            reason = "the hub has no safetensors weights for it; pickle weights are refused, convert them first"
            if checkpoint.offline:
                reason = "its weights are not in the cache; run once without --offline"
            elif why := out_of_reach():
                reason = f"its weights are not in the cache, and the hub cannot be reached ({why})"
        raise ModelError(f"{name}: {reason or f'no weights in the folder ({WEIGHTS}, or shards with {INDEX})'}")
    for file in files:
        check_safetensors(name, file)
    return files


def read_settings(checkpoint: Checkpoint, file: str = "config.json") -> dict[str, Any]:
    """A JSON object of the checkpoint as it stands; config.json is that of the whole weights.

    Raises ModelError when it is none.
    """
    found = checkpoint.whole if file == "config.json" else checkpoint
    name = f"{found.name}: {file}"
    # As transformers, which writes Infinity itself.
    settings = read_json(found.path / file, ModelError, name=name, mark=False, finite=False, most=MOST_OF_SETTINGS)
    if not isinstance(settings, dict):
        raise ModelError(f"{name} is not a JSON object")
    check_settings(found.name, file, settings)
    return settings


def text_settings(checkpoint: Checkpoint) -> dict[str, Any]:
    """config.json, with the entries of a wrapper's text model over the wrapper's own."""
    config = read_settings(checkpoint)
    inner: dict[str, Any] = next(
        (config[key] for key in ("text_config", "llm_config") if isinstance(config.get(key), dict)), {}
    )
    return config | inner


def context_window(checkpoint: Checkpoint) -> int:
    """The most tokens that the checkpoint's positions reach to; a large number where its config does not say."""
    config = text_settings(checkpoint)
    names = ("n_positions", "max_position_embeddings", "n_ctx", "max_seq_len")
    found = [config[name] for name in names if config.get(name) is not None]
    return int(found[0]) if found else 2**20


def stop_ids(checkpoint: Checkpoint) -> tuple[int, ...]:
    """The tokens at which generation stops, as generation_config.json names them, else config.json."""
    file = "generation_config.json"
    holders = [holder for holder in (checkpoint, checkpoint.whole) if (holder.path / file).is_file()]
    for settings in (*(read_settings(holder, file) for holder in holders), text_settings(checkpoint)):
        named = settings.get("eos_token_id")
        ids = named if isinstance(named, list) else [named]
        if found := tuple(i for i in ids if isinstance(i, int) and not isinstance(i, bool)):
            return found
    return ()


def _hashed(found: Checkpoint, digests: Digests) -> Checkpoint:
    """With its revision: by name, size and content of every file that loading opens. Raises ModelError."""
    try:
        files = opened_files(found.name, found.path)
        seen = identity_of(files)
        return replace(found, revision=f"sha256:{digests.of(files)[:16]}", seen=seen)
    except OSError as error:
        where = error.filename or found.path
        raise ModelError(f"{found.name}: {where}: cannot be read: {error.strerror or error}") from error


def check_unchanged(checkpoint: Checkpoint) -> None:
    """Raises ModelError where a folder's files are others than those that its revision is of: once they were read."""
    if checkpoint.seen:
        try:
            is_same = identity_of(opened_files(checkpoint.name, checkpoint.path)) == checkpoint.seen
        except OSError:
            is_same = False
        if not is_same:
            raise ModelError(f"{checkpoint.name}: its files changed while they were read; is it still being written?")
    if checkpoint.base is not None:
        check_unchanged(checkpoint.base)
