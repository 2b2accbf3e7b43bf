"""The tokenizer of a served model, read here: it cuts choices from their contexts, and holds the chat template."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from calibaudit.errors import ModelError
from calibaudit.files.paths import user_path
from calibaudit.files.read import read_bytes
from calibaudit.models.checkpoints import Checkpoint, context_window, fetch_tokenizer, find_checkpoint
from calibaudit.models.formats.opened import opened_beside_weights
from calibaudit.models.tokenizer import check_tokenizer_files, load_tokenizer
from calibaudit.scoring.engines.address import shown

DEFAULT_WINDOW = 2048
MOST_WINDOW = 10**9  # tokenizers without a window have a number above it


class LocalTokenizer(NamedTuple):
    """digest: `sha256:` and 16 hex digits over its files. window: tokens, as the files beside it say, else 2048."""

    tokenizer: Any
    digest: str
    window: int


def local_tokenizer(name: str, model: str, chosen: str | None, *, offline: bool) -> LocalTokenizer:
    """The tokenizer `chosen` by the user, else that of the folder or hub id that the server's `model` is called by.

    name: the served model's, for errors. Raises ModelError where there is none, which says how to name one.
    """
    wanted = chosen or model
    try:
        checkpoint = _found(wanted, offline)
        check_tokenizer_files(checkpoint)
        digest = _digest(checkpoint.name, checkpoint.path)
        return LocalTokenizer(load_tokenizer(checkpoint), digest, _window(checkpoint))
    except ModelError as error:
        if chosen is not None:
            raise ModelError(f"--tokenizer {error}") from error
        raise ModelError(
            f"{shown(name)}: the model's tokenizer is needed here too; name its folder or hub id with --tokenizer "
            f"({error})"
        ) from error


def _found(wanted: str, offline: bool) -> Checkpoint:
    """A folder as it stands, whose weights, if any, are not looked at; else as checkpoints are found."""
    folder = user_path(wanted, ModelError)
    if wanted and folder.is_dir():
        return Checkpoint(wanted, folder, "")
    return fetch_tokenizer(find_checkpoint(wanted, offline=offline))


def _digest(name: str, folder: Path) -> str:
    digest = hashlib.sha256()
    for file, path in sorted(opened_beside_weights(name, folder).items()):
        content = read_bytes(path, ModelError)
        digest.update(f"{file}\0{len(content)}\0".encode())
        digest.update(content)
    return f"sha256:{digest.hexdigest()[:16]}"


def _window(checkpoint: Checkpoint) -> int:
    if (checkpoint.path / "config.json").is_file():
        return min(context_window(checkpoint), MOST_WINDOW)
    return DEFAULT_WINDOW
