"""A checkpoint's tokenizer: is it there, load it; and do two speak of the same tokens, so that one can start
from, or be smoothed towards, the other?
"""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import dataclass, replace
from typing import Any

from calibaudit.errors import ModelError
from calibaudit.files.limits import TooMuch, limited
from calibaudit.models.checkpoints import Checkpoint, read_settings, text_settings
from calibaudit.models.formats.opened import check_tokenizer_opens, has_tokenizer


def check_tokenizer_files(checkpoint: Checkpoint) -> None:
    """Raises ModelError when the folder has no tokenizer: transformers would make an empty one."""
    if not has_tokenizer(checkpoint.tokenizer_path):
        raise ModelError(
            f"{checkpoint.name}: no tokenizer (tokenizer.json, tokenizer.model, vocab.json...); "
            "copy the files from the model it was trained from"
        )


@dataclass(frozen=True)
class TokenizerKind:
    """Which of transformers' classes reads a checkpoint's tokenizer, and what it makes of the files.

    module, name: the class. made: a digest of what the class decides: how text is cut before and after the vocabulary
    and the merges, which stand in the files as they are, and which tokens are special.
    """

    module: str
    name: str
    made: str


def kind_of(tokenizer: Any) -> TokenizerKind | None:
    """None where it is no class of transformers with a backend of the tokenizers library."""
    module, name = type(tokenizer).__module__, type(tokenizer).__qualname__
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not module.startswith("transformers.") or backend is None:
        return None
    parts = [getattr(backend, part) for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder")]
    try:
        state: list[Any] = [None if part is None else bytes(part.__getstate__()).decode() for part in parts]
    except (AttributeError, TypeError, ValueError):  # a part written in Python
        return None
    state += [len(tokenizer), tokenizer.model_max_length, tokenizer.padding_side, tokenizer.truncation_side]
    state += [sorted((key, str(value)) for key, value in tokenizer.special_tokens_map.items())]
    state += [sorted((i, str(token)) for i, token in tokenizer.added_tokens_decoder.items()), tokenizer.chat_template]
    made = hashlib.sha256(json.dumps(state, sort_keys=True, default=str).encode()).hexdigest()[:32]
    return TokenizerKind(module, name, made)


def load_tokenizer(checkpoint: Checkpoint, kind: TokenizerKind | None = None) -> Any:
    """The tokenizer of a checkpoint whose files are on disk. Raises ModelError.

    Where it has no chat template and the processor beside it has one (chat_template.json), that is taken.
    kind: that of this tokenizer as it was loaded before. Its class then reads the files at once, which starts no
    PyTorch; where it makes something else of them, the class is found as always.
    """
    loader = None if kind is None else _class_of(kind)
    if loader is not None:
        tokenizer = _read(checkpoint, loader)
        if kind_of(tokenizer) == kind:
            return tokenizer
    return _read(checkpoint, _loader_of(checkpoint))


def _class_of(kind: TokenizerKind) -> Any:
    """A class of transformers and nothing else; None where this version has none of that name."""
    if not kind.module.startswith("transformers."):
        return None
    try:
        found = getattr(importlib.import_module(kind.module), kind.name, None)
    except ImportError:
        return None
    return found if isinstance(found, type) and hasattr(found, "from_pretrained") else None


def _loader_of(checkpoint: Checkpoint) -> Any:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    from calibaudit.models.library import VERSION

    if VERSION < (5,) and (checkpoint.tokenizer_path / "tokenizer_config.json").is_file():
        settings = _settings(checkpoint, "tokenizer_config.json")
        if settings.get("tokenizer_class") == "TokenizersBackend":  # what transformers 5 calls this class
            return PreTrainedTokenizerFast
    return AutoTokenizer


def _read(checkpoint: Checkpoint, loader: Any) -> Any:
    from calibaudit.models.library import first_line

    folder = checkpoint.tokenizer_path
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / file).is_file():
            _settings(checkpoint, file)
    try:
        tokenizer = loader.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # tokenizers raise anything, to a panic of Rust's, which is no Exception
        raise ModelError(f"{checkpoint.name}: the tokenizer cannot be read ({first_line(error)})") from error
    if len(tokenizer) == 0:
        raise ModelError(f"{checkpoint.name}: the tokenizer is empty; copy its files from the original model")
    check_tokenizer_opens(checkpoint.name, folder, tokenizer)
    if not tokenizer.chat_template and (folder / "chat_template.json").is_file():
        template = _settings(checkpoint, "chat_template.json").get("chat_template")
        if isinstance(template, str) and template:
            tokenizer.chat_template = template
    if isinstance(tokenizer.chat_template, str) and _wants_parts(tokenizer):
        tokenizer.chat_template = _AS_PARTS + tokenizer.chat_template
    return tokenizer


def _settings(checkpoint: Checkpoint, file: str) -> dict[str, Any]:
    return read_settings(replace(checkpoint, path=checkpoint.tokenizer_path), file)


_AS_PARTS = (
    "{%- set parted = namespace(messages=[]) -%}{%- for message in messages -%}"
    "{%- if message.content is string -%}"
    "{%- set message = dict(message, content=[{'type': 'text', 'text': message.content}]) -%}{%- endif -%}"
    "{%- set parted.messages = parted.messages + [message] -%}{%- endfor -%}"
    "{%- set messages = parted.messages -%}"
)
"""Before a template that reads a message as a list of parts only: a text becomes the one part it is."""


def _wants_parts(tokenizer: Any) -> bool:
    """Whether the chat template loses a message that is a text, and writes one that is a list of one text."""
    word = "calibaudit-probe"

    def written(content: Any) -> bool:
        try:
            with limited():
                text = tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
        except TooMuch as error:
            raise ModelError(f"the chat template is refused: {error}") from None
        except Exception:  # templates raise what they like
            return False
        return word in str(text)

    return not written(word) and written([{"type": "text", "text": word}])


def prefix_token_id(tokenizer: Any) -> int | None:
    """What stands for an empty context: BOS, else EOS, else None (the rule of lm-evaluation-harness)."""
    bos = tokenizer.bos_token_id
    value = tokenizer.eos_token_id if bos is None else bos
    return None if value is None else int(value)


_ADVICE = "give --start instruct --prior uniform, or name the base that instruct was made from"


def check_vocabularies(base: Checkpoint, instruct: Checkpoint, base_tokenizer: Any, instruct_tokenizer: Any) -> None:
    """Raises ModelError, with the first token that differs, unless base has a row for every token of instruct.

    A token that base's tokenizer does not name is no fault where base's model has a row at its place (a reserved one).
    """
    check_same_tokens(base, instruct, base_tokenizer, instruct_tokenizer)
    ours = base_tokenizer.get_vocab()
    known, n_rows = set(ours.values()), text_settings(base).get("vocab_size") or len(ours)
    for token, index in sorted(instruct_tokenizer.get_vocab().items(), key=lambda entry: entry[1]):
        if index not in known and index >= n_rows:
            raise ModelError(
                f"{instruct.name} has a token that {base.name} lacks: {token!r}, number {index}, and base has "
                f"{n_rows:,} rows; {_ADVICE}"
            )


def check_same_tokens(
    base: Checkpoint, instruct: Checkpoint, base_tokenizer: Any, instruct_tokenizer: Any, advice: str = _ADVICE
) -> None:
    """Raises ModelError, with the first token that differs, unless the numbers that both have stand for the same.

    advice: what to do then.
    """
    by_id = {index: token for token, index in base_tokenizer.get_vocab().items()}
    for token, index in sorted(instruct_tokenizer.get_vocab().items(), key=lambda entry: entry[1]):
        if by_id.get(index, token) != token:
            raise ModelError(
                f"{base.name} and {instruct.name} have different vocabularies: token {index} is {by_id[index]!r} in "
                f"one, {token!r} in the other; {advice}"
            )
