"""Which files of a folder loading opens beside the weights, or what is refused since it would open others.

Found in the loading code of transformers 4.51 to 5.24 and of PEFT to 0.21. `tests/models/formats/test_opened.py`
watches what loading opens, and holds the names against those of transformers' own tokenizers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from calibaudit.errors import ModelError
from calibaudit.files.read import read_bytes, read_json
from calibaudit.files.text import shortened

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model",
    "tekken.json", "tokenizer.model.v3",
)  # fmt: skip
"""One of these, or a *.tiktoken, is a tokenizer."""

_CONFIGS = (
    "config.json", "generation_config.json", "quantize_config.json", "quant_config.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.json",
    "chat_template.jinja",
)  # fmt: skip

_VOCABULARIES = (
    *TOKENIZER_FILES, "tokenizer.*.json", "tekken*.json", "*.model", "*.model.*", "*.spm", "*.tiktoken", "merges.txt",
    "artists.json", "bpe.codes", "byte_maps.json", "dict.txt", "emoji.json", "entity_vocab.json", "genres.json",
    "lyrics.json", "normalizer.json", "vocab.bin", "vocab.pkl",
    "prophetnet.tokenizer", "target_vocab.json", "vocab-src.json", "vocab-tgt.json", "word_pronunciation.json",
    "word_shape.json",
)  # fmt: skip
"""Of all tokenizers of transformers."""

_TEMPLATES = ("additional_chat_templates/*.jinja",)

_TREES = ("/proc", "/sys", "/dev")
"""What lies there is no file with an end."""

_DISTRIBUTED = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors")
"""What transformers 5 takes before model.safetensors."""


def has_tokenizer(folder: Path) -> bool:
    return any((folder / file).is_file() for file in TOKENIZER_FILES) or any(folder.glob("*.tiktoken"))


def opened_beside_weights(name: str, folder: Path) -> dict[str, Path]:
    """Every file that loading a folder's config and tokenizer opens, by its path in the folder, in no order.

    Some that it does not open are among them: they cost another revision, and nothing is served that is not the
    checkpoint's. name: of the checkpoint, for messages. Raises ModelError.
    """
    patterns = (*_CONFIGS, *_VOCABULARIES, *_TEMPLATES)
    found = {file.relative_to(folder).as_posix(): file for p in patterns for file in folder.glob(p) if file.is_file()}
    for named in _named(_object(name, folder / "tokenizer_config.json")):
        file = folder / named
        if named not in found and _is_finite(file):
            found[named] = file
    return found


def check_weight_names(name: str, folder: Path, chosen: str) -> None:
    """Raises ModelError where transformers would read other weights than the file called `chosen`.

    name: of the checkpoint, for messages.
    """
    for named in _values(_object(name, folder / "config.json"), "transformers_weights"):
        if named != chosen:
            raise ModelError(
                f"{name}: config.json names its weights itself (transformers_weights: {shortened(repr(named), 80)}), "
                "which some versions of transformers follow and others do not; rename the file to model.safetensors, "
                "or its index to model.safetensors.index.json, and remove the entry"
            )
    shard = next((file.name for file in sorted(folder.glob("shard-*")) if _DISTRIBUTED.match(file.name)), None)
    if shard is not None:
        raise ModelError(
            f"{name}: holds a distributed checkpoint ({shard}), which some versions of transformers read in the place "
            "of model.safetensors; load it once and save_pretrained(NEW), or remove its files"
        )


def check_tokenizer_opens(name: str, folder: Path, tokenizer: Any) -> None:
    """Raises ModelError where the tokenizer's class reads a file that `opened_beside_weights` does not know of."""
    known = opened_beside_weights(name, folder)
    for file in type(tokenizer).vocab_files_names.values():
        if isinstance(file, str) and (folder / file).is_file() and file not in known:
            raise ModelError(
                f"{name}: its tokenizer reads {shortened(repr(file), 80)}, a file that this version of calibaudit does "
                "not know to be one, so that a change of it would not be seen"
            )


def _named(settings: Mapping[str, Any]) -> Iterator[str]:
    """Files that a tokenizer_config.json names: by version, and (transformers 4) what a tokenizer's class takes."""
    versions = settings.get("fast_tokenizer_files")
    values = [*(versions if isinstance(versions, list) else ()), *(v for k, v in settings.items() if k[-5:] == "_file")]
    yield from (value for value in values if isinstance(value, str) and value and "\0" not in value)


def _is_finite(file: Path) -> bool:
    try:
        return file.is_file() and not any(file.resolve().is_relative_to(tree) for tree in _TREES)
    except (OSError, RuntimeError, ValueError):  # a name that is too long, links in a circle
        return False


def _values(settings: object, key: str) -> Iterator[Any]:
    """What stands under the key in an object or one in it, but None: a wrapper's text model has its own config."""
    open_: list[object] = [settings]
    while open_:
        if isinstance(at := open_.pop(), dict):
            if at.get(key) is not None:
                yield at[key]
            open_ += at.values()


def _object(name: str, file: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none, which is said where the file is read for what it holds.

    Raises ModelError where it cannot be read here, and what loads it might still find in it what is asked for.
    """
    if not file.is_file():
        return {}
    try:
        found = read_json(file, ModelError, name=f"{name}: {file.name}", mark=False, finite=False)  # as transformers
    except ModelError:
        content = read_bytes(file, ModelError, name=f"{name}: {file.name}")
        if any(word in content for word in (b"transformers_weights", b"fast_tokenizer_files")):
            raise
        return {}
    return found if isinstance(found, dict) else {}


def check_config_file(name: str, folder: Path) -> None:
    """Raises ModelError for a folder without config.json, with what may have been meant."""
    if (folder / "config.json").is_file():
        return
    gguf = next(iter(sorted(folder.glob("*.gguf"))), None)
    if gguf is not None:
        raise ModelError(f"{name}: no config.json{gguf_advice(gguf)}")
    below = [path for file in ("config.json", "adapter_config.json") for path in sorted(folder.glob(f"*/{file}"))]
    inner = below[0].parent.name if below else None
    hint = f"; did you mean {Path(name) / inner}?" if inner else "; a checkpoint has config.json and *.safetensors"
    raise ModelError(f"{name}: no config.json in this folder{hint}")


def gguf_advice(path: Path) -> str:
    """The end of a sentence on what is no checkpoint; empty where it is no GGUF file."""
    return "; GGUF files are not read, give the original safetensors checkpoint" if path.suffix == ".gguf" else ""
