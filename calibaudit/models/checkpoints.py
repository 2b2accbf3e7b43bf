"""A folder or hub id -> the files of a checkpoint, found, hashed and looked over before any weight is loaded."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import errors as hub_errors
from huggingface_hub import hf_hub_download, snapshot_download
from safetensors import SafetensorError, safe_open

from calibaudit.errors import ModelError
from calibaudit.files.read import read_json

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model",
    "tekken.json", "tokenizer.model.v3",
)  # fmt: skip
_TOKENIZER_SETTINGS = (
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt",
    "chat_template.json", "chat_template.jinja",
)  # fmt: skip
_BESIDE_WEIGHTS = ("*.json", "*.txt", "*.model", "*.model.v3", "*.tiktoken", "*.jinja")
_FETCHED = (*_BESIDE_WEIGHTS, WEIGHTS, "model-*-of-*.safetensors")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")

DEMO = ("demo:base", "demo:instruct")
"""Names of the checkpoints that come with the package."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a checkpoint's files are, and which they are.

    name: as the user gave it. path: the folder; for a hub id its cached snapshot, which may lack the weights still.
    revision: the hub's commit, or `sha256:` and 16 hex digits over a folder's config, tokenizer and weights.
    """

    name: str
    path: Path
    revision: str
    from_hub: bool = False
    cache_dir: Path | None = None
    offline: bool = False


def find_checkpoint(
    name: str, *, revision: str | None = None, cache_dir: str | Path | None = None, offline: bool = False
) -> Checkpoint:
    """The checkpoint called `name`: a bundled one (DEMO), a folder, or else a hub id.

    Loads no weights; from the hub fetches only the config.

    revision: a hub branch, tag or commit. cache_dir: the hub cache. offline: never ask the network.
    Raises ModelError when there is none, or when it has no config.json.
    """
    folder = _demo_folder(name) if name.startswith("demo:") else Path(name).expanduser()
    cache = None if cache_dir is None else Path(cache_dir).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise ModelError(
                f"{name}: is a folder, and --revision {revision} chooses among a hub id's versions; drop one"
            )
        _check_config_file(name, folder)
        return Checkpoint(name, folder, _hash_folder(folder, name))
    if folder.exists():
        raise ModelError(f"{name}: is a file, not a checkpoint folder{_gguf_advice(folder)}")
    if not _HUB_ID.fullmatch(name):
        raise ModelError(f"{name}: no such folder, and not a hub id like org/name{_nearest(folder)}")
    config = _from_hub(name, "config.json", revision, cache, offline)
    return Checkpoint(name, config.parent, config.parent.name, True, cache, offline)


def _demo_folder(name: str) -> Path:
    if name not in DEMO:
        raise ModelError(f"{name}: the bundled checkpoints are {' and '.join(DEMO)}")
    folder = Path(__file__).parents[1] / "demo" / name.removeprefix("demo:")
    if not folder.is_dir():
        raise ModelError(f"{name}: its files are missing from this installation ({folder}); install again")
    return folder


def fetch(checkpoint: Checkpoint) -> Checkpoint:
    """Get a hub checkpoint's weights and tokenizer into the cache; a folder is left as it is. Raises ModelError."""
    return _snapshot(checkpoint, _FETCHED)


def fetch_tokenizer(checkpoint: Checkpoint) -> Checkpoint:
    """The same without the weights."""
    return _snapshot(checkpoint, _BESIDE_WEIGHTS)


def _snapshot(checkpoint: Checkpoint, patterns: tuple[str, ...]) -> Checkpoint:
    if not checkpoint.from_hub:
        return checkpoint
    try:
        path = snapshot_download(
            checkpoint.name,
            revision=checkpoint.revision,
            cache_dir=checkpoint.cache_dir,
            local_files_only=checkpoint.offline,
            allow_patterns=list(patterns),
            ignore_patterns=["original/*", "onnx/*"],
        )
    except Exception as error:  # what is raised differs between versions of the hub client and its HTTP library
        raise _hub_failure(checkpoint.name, checkpoint.revision, checkpoint.offline, error) from error
    return Checkpoint(checkpoint.name, Path(path), checkpoint.revision, True, checkpoint.cache_dir, checkpoint.offline)


def weight_files(checkpoint: Checkpoint) -> tuple[Path, ...]:
    """The safetensors files that loading will read, each opened and its size checked. Raises ModelError."""
    name, folder = checkpoint.name, checkpoint.path
    if (folder / WEIGHTS).is_file():
        files: tuple[Path, ...] = (folder / WEIGHTS,)
    elif (folder / INDEX).is_file():
        files = _shards(name, folder)
    else:
        raise ModelError(f"{name}: {_why_no_weights(folder, checkpoint)}")
    for file in files:
        _check_safetensors(name, file)
    return files


def read_settings(checkpoint: Checkpoint, file: str = "config.json") -> dict[str, Any]:
    """A JSON object of the checkpoint as it stands. Raises ModelError when it is none."""
    settings = _read_json(checkpoint.name, checkpoint.path / file)
    if not isinstance(settings, dict):
        raise ModelError(f"{checkpoint.name}: {file} is not a JSON object")
    return settings


def context_window(checkpoint: Checkpoint) -> int:
    """The most tokens that the checkpoint's positions reach to; a large number where its config does not say."""
    config = read_settings(checkpoint)
    found = [
        config[name] for name in ("n_positions", "max_position_embeddings", "n_ctx", "max_seq_len") if name in config
    ]
    return int(found[0]) if found else 2**20


def stop_ids(checkpoint: Checkpoint) -> tuple[int, ...]:
    """The tokens at which generation stops, as generation_config.json names them, else config.json."""
    for file in ("generation_config.json", "config.json"):
        if (checkpoint.path / file).is_file():
            named = read_settings(checkpoint, file).get("eos_token_id")
            ids = named if isinstance(named, list) else [named]
            if found := tuple(i for i in ids if isinstance(i, int) and not isinstance(i, bool)):
                return found
    return ()


def _check_config_file(name: str, folder: Path) -> None:
    if (folder / "config.json").is_file():
        return
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"{name}: holds only an adapter (adapter_config.json); merge it into its base model first "
            "(peft: model.merge_and_unload().save_pretrained(FOLDER))"
        )
    gguf = next(iter(sorted(folder.glob("*.gguf"))), None)
    if gguf is not None:
        raise ModelError(f"{name}: no config.json{_gguf_advice(gguf)}")
    inner = next((p.parent.name for p in sorted(folder.glob("*/config.json"))), None)
    hint = f"; did you mean {Path(name) / inner}?" if inner else "; a checkpoint has config.json and *.safetensors"
    raise ModelError(f"{name}: no config.json in this folder{hint}")


def _gguf_advice(path: Path) -> str:
    return "; GGUF files are not read, give the original safetensors checkpoint" if path.suffix == ".gguf" else ""


def _nearest(folder: Path) -> str:
    """`; did you mean ...?` out of the folders beside the missing one, or nothing."""
    parent = folder.parent
    if not parent.is_dir():
        return f" ({parent} does not exist either)"
    names = [p.name for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")]
    close = difflib.get_close_matches(folder.name, names, n=1)
    return f"; did you mean {parent / close[0]}?" if close else ""


def _hash_folder(folder: Path, name: str) -> str:
    """sha256 over name, size and content of every file that changes the network or how text is tokenized."""
    wanted = {"config.json", *TOKENIZER_FILES, *_TOKENIZER_SETTINGS}
    files = [p for p in folder.iterdir() if p.is_file() and (p.name in wanted or p.suffix == ".tiktoken")]
    files += folder.glob("additional_chat_templates/*.jinja")
    if (folder / WEIGHTS).is_file():
        files.append(folder / WEIGHTS)
    elif (folder / INDEX).is_file():
        files += [folder / INDEX, *_shards(name, folder)]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return f"sha256:{digest.hexdigest()[:16]}"


def _shards(name: str, folder: Path) -> tuple[Path, ...]:
    index = _read_json(name, folder / INDEX)
    shards = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise ModelError(f"{name}: {INDEX} has no weight_map; download the checkpoint again")
    files = tuple(folder / str(file) for file in sorted(set(shards.values())))
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise ModelError(
            f"{name}: {len(missing)} of {len(files)} weight files are missing, first {missing[0]}, "
            f"which {INDEX} names; download them"
        )
    return files


def _why_no_weights(folder: Path, checkpoint: Checkpoint) -> str:
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES or p.name.endswith(".bin.index.json"))
    if pickles:
        return (
            f"only pickle weights ({pickles[0]}), which can run code when read, so they are refused; if you trust "
            "them, convert once: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW)"
        )
    other = sorted(p.name for p in folder.glob("*.safetensors"))
    if "adapter_model.safetensors" in other:
        return "holds only an adapter (adapter_model.safetensors); merge it into its base model first"
    if other:
        return f"no {WEIGHTS} or {INDEX}; {other[0]} is not a name that transformers loads"
    if checkpoint.from_hub and checkpoint.offline:
        return "its weights are not in the cache; run once without --offline"
    if checkpoint.from_hub:
        return "the hub has no safetensors weights for it; pickle weights are refused, convert them first"
    return f"no weights in the folder ({WEIGHTS}, or shards with {INDEX})"


def _check_safetensors(name: str, file: Path) -> None:
    with file.open("rb") as stream:
        if stream.read(24).startswith(b"version https://git-lfs"):
            raise ModelError(f"{name}: {file.name} is a Git LFS pointer, not the weights; run git lfs pull")
    try:
        with safe_open(file, framework="np") as opened:  # reads the header and compares it with the file's size
            opened.keys()
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{name}: {file.name} is truncated or corrupt ({file.stat().st_size:,} bytes; {error}); download it again"
        ) from error


def _read_json(name: str, path: Path) -> Any:
    return read_json(path, ModelError, name=f"{name}: {path.name}", mark=False)  # as transformers reads it


def _from_hub(name: str, file: str, revision: str | None, cache: Path | None, offline: bool) -> Path:
    try:
        return Path(hf_hub_download(name, file, revision=revision, cache_dir=cache, local_files_only=offline))
    except Exception as error:  # as in fetch
        raise _hub_failure(name, revision, offline, error) from error


def _hub_failure(name: str, revision: str | None, offline: bool, error: Exception) -> ModelError:
    """One line for each way in which the hub says no; the most special errors first."""
    at = "" if revision is None else f" at revision {revision}"
    hint = _nearest(Path(name))
    if isinstance(error, hub_errors.GatedRepoError):
        return ModelError(f"{name}: gated on the hub; accept its terms on its page, then log in (hf auth login)")
    if isinstance(error, hub_errors.RevisionNotFoundError):
        return ModelError(f"{name}: the hub has no revision {revision}")
    if isinstance(error, hub_errors.RepositoryNotFoundError):
        return ModelError(f"{name}: no such folder, and not on the hub (or private: hf auth login){hint}")
    if offline:
        return ModelError(f"{name}: no such folder, and not in the cache{at}; run once without --offline{hint}")
    if isinstance(error, hub_errors.LocalEntryNotFoundError | hub_errors.OfflineModeIsEnabled | ConnectionError):
        return ModelError(f"{name}: no such folder, not in the cache{at}, and the hub cannot be reached{hint}")
    if isinstance(error, hub_errors.EntryNotFoundError):
        return ModelError(f"{name}: no config.json on the hub{at}; adapters and GGUF repositories are not checkpoints")
    reason = str(error).strip().splitlines()
    return ModelError(f"{name}: the hub failed{at} ({reason[0] if reason else type(error).__name__})")
