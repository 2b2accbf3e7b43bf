"""A revision is over every file that loading opens, or loading is refused: else old numbers would be served as new."""

from __future__ import annotations

import ast
import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from file_opens import watched_opens
from safetensors.torch import load_file, save_file

from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.formats.digests import Digests
from calibaudit.models.formats.opened import opened_beside_weights
from calibaudit.models.formats.shards import INDEX, WEIGHTS
from calibaudit.models.load import load_network
from calibaudit.models.model import load_model
from tests.families import save_tiny

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"


class Recording(Digests):
    """Which files were hashed."""

    def of(self, files: Any) -> str:
        object.__setattr__(self, "seen", {*getattr(self, "seen", ()), *(path.resolve() for path in files.values())})
        return super().of(files)


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def plain(folder: Path) -> Path:
    return folder


def sharded(folder: Path) -> Path:
    (folder / WEIGHTS).unlink()
    return save_tiny(folder, max_shard_size="20KB")


def templates(folder: Path) -> Path:
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tools.jinja").write_text(TEMPLATE)
    return folder


def processors_template(folder: Path) -> Path:
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    (folder / "processor_config.json").write_text("{}")
    return folder


def by_version(folder: Path) -> Path:
    shutil.copy(folder / "tokenizer.json", folder / "tokenizer.4.0.0.json")
    edit(folder / "tokenizer_config.json", fast_tokenizer_files=["tokenizer.json", "tokenizer.4.0.0.json"])
    return folder


def in_a_folder(folder: Path) -> Path:
    (folder / "newer").mkdir()
    shutil.copy(folder / "tokenizer.json", folder / "newer" / "tokenizer.4.1.0.json")
    edit(folder / "tokenizer_config.json", fast_tokenizer_files=["newer/tokenizer.4.1.0.json"])
    return folder


def legacy(folder: Path) -> Path:
    """A BPE without tokenizer.json, as GPT-2's came."""
    state = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(state["vocab"]))
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in state["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(pairs) + "\n")
    (folder / "added_tokens.json").write_text(json.dumps({"<extra>": len(state["vocab"])}))
    (folder / "special_tokens_map.json").write_text(json.dumps({"unk_token": "<s>"}))
    edit(folder / "tokenizer_config.json", tokenizer_class="GPT2Tokenizer", unk_token="<s>")
    return folder


def sentencepiece(folder: Path) -> Path:
    spm = pytest.importorskip("sentencepiece", reason="needs sentencepiece, to train a model of its own")
    (folder / "tokenizer.json").unlink()
    text = folder.parent / "text.txt"
    text.write_text("\n".join(f"the cat sat on mat {n} while we ran far away to see it" for n in range(60)))
    spm.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), vocab_size=60, model_type="bpe", minloglevel=2
    )
    (folder / "tokenizer.vocab").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    return folder


def adapter(folder: Path) -> Path:
    """With a tokenizer of its own, whose class its base's config.json beside it has a say in."""
    peft = pytest.importorskip("peft", reason="needs the peft extra")
    network = transformers.AutoModelForCausalLM.from_pretrained(folder)
    own = folder.parent / "adapter"
    peft.get_peft_model(network, peft.LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(own)
    edit(own / "adapter_config.json", base_model_name_or_path=str(folder))
    for file in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copy(folder / file, own / file)
    return own


MADE = (
    plain, sharded, templates, processors_template, by_version, in_a_folder, legacy, sentencepiece, adapter
)  # fmt: skip


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_every_file_that_loading_opens_is_in_the_revision(make: Callable[[Path], Path], folder: Path) -> None:
    (folder / "README.md").write_text("never opened")
    checkpoint = make(folder)
    root, digests = folder.parent, Recording()
    found = find_checkpoint(str(checkpoint), digests=digests)
    hashed: set[Path] = digests.seen  # type: ignore[attr-defined]
    with watched_opens(root) as opened:
        load_network(found, "auto", "cpu")
    files = {root / name for name in opened}
    assert {path.name for path in files} >= {"config.json", "tokenizer_config.json"}, "so openings are seen"
    assert any(path.suffix == ".safetensors" for path in files), "those of mapped files too"
    assert files - hashed == set()
    assert folder / "README.md" not in hashed
    before = found.revision
    for file in sorted(files):
        content = file.read_bytes()
        file.write_bytes(content + b"\n")
        with contextlib.suppress(ModelError):  # refused: an index that names what is not there, say
            assert find_checkpoint(str(checkpoint)).revision != before, file
        file.write_bytes(content)
    assert find_checkpoint(str(checkpoint)).revision == before


def test_all_that_transformers_tokenizers_read_is_known(tmp_path: Path) -> None:
    """Every file that a tokenizer of this version of transformers declares, read off the source: without importing."""
    names: set[str] = set()
    for source in Path(transformers.__file__).parent.glob("**/tokenization*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id.lower() == "vocab_files_names" for t in node.targets
            ):
                entries = node.value.values if isinstance(node.value, ast.Dict) else []
                names |= {e.value for e in entries if isinstance(e, ast.Constant) and isinstance(e.value, str)}
    assert {"tokenizer.json", "merges.txt", "spiece.model"} <= names
    for name in names:
        (tmp_path / name).touch()
    assert names - set(opened_beside_weights("m", tmp_path)) == set()


def refused(folder: Path, said: str) -> None:
    for refusing in (find_checkpoint, load_model):
        with pytest.raises(ModelError, match=said) as caught:
            refusing(str(folder))
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)


@pytest.mark.parametrize("inside", [None, "text_config"])
def test_weights_that_the_config_names_are_refused(folder: Path, inside: str | None) -> None:
    """transformers 5 reads them, and the revision was that of model.safetensors: old numbers were served."""
    other = {key: tensor + 1 for key, tensor in load_file(folder / WEIGHTS).items()}
    save_file(other, folder / "other.safetensors", metadata={"format": "pt"})
    named = {"transformers_weights": "other.safetensors"}
    edit(folder / "config.json", **(named if inside is None else {inside: named}))
    refused(folder, "config.json names its weights itself .transformers_weights: 'other.safetensors'.")
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"transformers_weights": WEIGHTS} if inside is None else {}
    (folder / "config.json").write_text(json.dumps({key: value for key, value in settings.items() if key != inside}))
    assert load_model(str(folder), device="cpu").info.revision == find_checkpoint(str(folder)).revision


def test_a_config_that_names_weights_and_cannot_be_read_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"transformers_weights": "other.safetensors", "deep": ' + "[" * 20_000)
    refused(folder, r"config\.json")


def test_an_index_that_the_config_names_is_the_one_that_is_read(folder: Path) -> None:
    sharded(folder)
    edit(folder / "config.json", transformers_weights=INDEX)
    assert load_model(str(folder), device="cpu").info.name == str(folder)
    edit(folder / "config.json", transformers_weights=WEIGHTS)
    refused(folder, "names its weights itself")


def test_a_distributed_checkpoint_beside_weights_is_refused(folder: Path) -> None:
    shutil.copy(folder / WEIGHTS, folder / "shard-00000-model-00001-of-00001.safetensors")
    refused(folder, "holds a distributed checkpoint .shard-00000-model-00001-of-00001.safetensors.")


@pytest.mark.parametrize("kind", ["XLORA", "SHADOW"])
def test_an_adapter_of_other_folders_is_refused(folder: Path, kind: str) -> None:
    own = folder.parent / "adapter"
    own.mkdir()
    save_file({"w": torch.zeros(1)}, own / "adapter_model.safetensors")
    (own / "adapter_config.json").write_text(json.dumps({"peft_type": kind, "base_model_name_or_path": str(folder)}))
    refused(own, "adapter reads weights from other folders")


@pytest.mark.parametrize("named", ["/proc/kmsg", "../../else.json", "x" * 5000, "a\0b", "", 7, None])
def test_odd_names_of_files_end_nothing(folder: Path, named: object) -> None:
    edit(folder / "tokenizer_config.json", fast_tokenizer_files=[named], emoji_file=named)
    assert set(opened_beside_weights("m", folder)) >= {"tokenizer.json"}
    assert "/proc/kmsg" not in opened_beside_weights("m", folder)


def test_a_vocabulary_that_lies_elsewhere_counts(folder: Path, tmp_path: Path) -> None:
    """transformers 4 opens what tokenizer_config.json names."""
    (tmp_path / "elsewhere.json").write_text("{}")
    edit(folder / "tokenizer_config.json", vocab_file=str(tmp_path / "elsewhere.json"))
    before = find_checkpoint(str(folder)).revision
    (tmp_path / "elsewhere.json").write_text("[]")
    assert find_checkpoint(str(folder)).revision != before


@pytest.mark.parametrize("file", [WEIGHTS, "tokenizer.json"])
def test_a_checkpoint_that_is_written_while_it_is_read_is_refused(folder: Path, file: str) -> None:
    """Its numbers would be kept under the revision of the files before."""
    found = find_checkpoint(str(folder))
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content)
    with pytest.raises(ModelError, match="its files changed while they were read; is it still being written"):
        load_network(found, "auto", "cpu")
    assert load_network(find_checkpoint(str(folder)), "auto", "cpu").network is not None


@pytest.mark.parametrize("kind", [[], {}, 7])
def test_a_model_type_that_is_no_text(folder: Path, kind: object) -> None:
    edit(folder / "config.json", model_type=kind)
    with pytest.raises(ModelError, match=r"config\.json: model_type: expected text, found .*"):
        load_model(str(folder), device="cpu")


def test_a_panic_of_the_tokenizers_library_is_one_line(folder: Path) -> None:
    state = json.loads((folder / "tokenizer.json").read_text())
    state["added_tokens"][0]["id"] = 2**64 - 1
    (folder / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(ModelError, match="the tokenizer cannot be read"):
        load_model(str(folder), device="cpu")
