"""A checkpoint's tokenizer: is it there, load it; and do two speak of the same tokens, so that one can start
from, or be smoothed towards, the other?
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import TOKENIZER_FILES, Checkpoint, read_settings, text_settings
from calibaudit.models.library import VERSION, first_line


def check_tokenizer_files(checkpoint: Checkpoint) -> None:
    """Raises ModelError when the folder has no tokenizer: transformers would make an empty one."""
    folder = checkpoint.tokenizer_path
    if not any((folder / file).is_file() for file in TOKENIZER_FILES) and not any(folder.glob("*.tiktoken")):
        raise ModelError(
            f"{checkpoint.name}: no tokenizer (tokenizer.json, tokenizer.model, vocab.json...); "
            "copy the files from the model it was trained from"
        )


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """The tokenizer of a checkpoint whose files are on disk. Raises ModelError.

    Where it has no chat template and the processor beside it has one (chat_template.json), that is taken.
    """
    loader, folder = AutoTokenizer, checkpoint.tokenizer_path
    if VERSION < (5,) and (folder / "tokenizer_config.json").is_file():
        settings = _settings(checkpoint, "tokenizer_config.json")
        if settings.get("tokenizer_class") == "TokenizersBackend":  # what transformers 5 calls this class
            loader = PreTrainedTokenizerFast
    try:
        tokenizer = loader.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # tokenizers raise anything from KeyError to a bare Rust exception
        raise ModelError(f"{checkpoint.name}: the tokenizer cannot be read ({first_line(error)})") from error
    if len(tokenizer) == 0:
        raise ModelError(f"{checkpoint.name}: the tokenizer is empty; copy its files from the original model")
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
            text = tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
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
