"""The Hugging Face hub: single files and snapshots, and each of its refusals in one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from calibaudit.errors import ModelError
from calibaudit.files.hub import out_of_reach
from calibaudit.models.formats.adapter_files import ADAPTER_CONFIG
from calibaudit.models.formats.shards import INDEX, WEIGHTS, has_weights

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")


@contextmanager
def _offline_hub(offline: bool) -> Iterator[None]:
    """The hub's client offline too: with `local_files_only` alone version 2 still asks the hub which agents there are.

    The switch is its own variable, which it reads from the environment only when it is imported.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or offline
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _asks_cache_alone(offline: bool) -> bool:
    return offline or out_of_reach() is not None


def hub_file(name: str, files: Sequence[str], revision: str | None, cache: Path | None, offline: bool) -> Path:
    """The first of the files that the repository has, in the cache. Raises ModelError, for the first of them."""
    from huggingface_hub import errors as hub_errors
    from huggingface_hub import hf_hub_download

    failure: Exception | None = None
    local = _asks_cache_alone(offline)
    for file in files:
        try:
            with _offline_hub(local):
                return Path(hf_hub_download(name, file, revision=revision, cache_dir=cache, local_files_only=local))
        except Exception as error:  # what is raised differs between versions of the hub client and its HTTP library
            failure = failure or error
            missing = hub_errors.EntryNotFoundError | hub_errors.LocalEntryNotFoundError
            if not isinstance(error, missing):
                break
    assert failure is not None
    raise hub_failure(name, revision, offline, failure) from failure


def hub_has_adapter(name: str, revision: str, snapshot: Path, cache: Path | None, offline: bool) -> bool:
    """Whether a repository holds an adapter and no whole weights, though perhaps its base's config.json.

    Gets adapter_config.json into the cache. Raises ModelError.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub import errors as hub_errors

    local = _asks_cache_alone(offline)
    try:
        with _offline_hub(local):
            found = Path(
                hf_hub_download(name, ADAPTER_CONFIG, revision=revision, cache_dir=cache, local_files_only=local)
            )
    except (hub_errors.EntryNotFoundError, hub_errors.LocalEntryNotFoundError):
        return False
    except Exception as error:
        raise hub_failure(name, revision, offline, error) from error
    if not found.is_file() or has_weights(snapshot):
        return False
    try:
        return local or not any(HfApi().file_exists(name, file, revision=revision) for file in (WEIGHTS, INDEX))
    except Exception as error:
        raise hub_failure(name, revision, offline, error) from error


def hub_snapshot(name: str, patterns: Sequence[str], revision: str, cache: Path | None, offline: bool) -> Path:
    """The folder of a revision, with all its files that fit the patterns. Raises ModelError."""
    from huggingface_hub import snapshot_download

    local = _asks_cache_alone(offline)
    try:
        with _offline_hub(local):
            path = snapshot_download(
                name,
                revision=revision,
                cache_dir=cache,
                local_files_only=local,
                allow_patterns=list(patterns),
                ignore_patterns=["original/*", "onnx/*"],
            )
    except Exception as error:
        raise hub_failure(name, revision, offline, error) from error
    return Path(path)


def nearest(folder: Path) -> str:
    """`; did you mean ...?` out of the folders beside the missing one, or that there are none, or nothing."""
    parent = folder.parent
    if parent.is_file():
        return f" ({parent} is a file)"
    if not parent.is_dir():
        return f" ({parent} does not exist either)" if folder.is_absolute() or len(folder.parts) > 2 else ""
    try:
        names = [p.name for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")]
    except OSError:
        return ""
    close = difflib.get_close_matches(folder.name, names, n=1)
    return f"; did you mean {parent / close[0]}?" if close else ""


def hub_failure(name: str, revision: str | None, offline: bool, error: Exception) -> ModelError:
    """One line for each way in which the hub says no; the most special errors first."""
    from huggingface_hub import errors as hub_errors

    at = "" if revision is None else f" at revision {revision}"
    hint = nearest(Path(name))
    if isinstance(error, hub_errors.GatedRepoError):
        return ModelError(f"{name}: gated on the hub; accept its terms on its page, then log in (hf auth login)")
    if isinstance(error, hub_errors.RevisionNotFoundError):
        return ModelError(f"{name}: the hub has no revision {revision}")
    if isinstance(error, hub_errors.RepositoryNotFoundError):
        return ModelError(f"{name}: no such folder, and not on the hub (or private: hf auth login){hint}")
    if offline:
        return ModelError(f"{name}: no such folder, and not in the cache{at}; run once without --offline{hint}")
    if isinstance(error, hub_errors.LocalEntryNotFoundError | hub_errors.OfflineModeIsEnabled | ConnectionError):
        why = f" ({cause})" if (cause := out_of_reach()) else ""
        return ModelError(f"{name}: no such folder, not in the cache{at}, and the hub cannot be reached{why}{hint}")
    if isinstance(error, hub_errors.EntryNotFoundError):
        return ModelError(f"{name}: no config.json on the hub{at}; GGUF repositories are not checkpoints")
    reason = str(error).strip().splitlines()
    return ModelError(f"{name}: the hub failed{at} ({reason[0] if reason else type(error).__name__})")
