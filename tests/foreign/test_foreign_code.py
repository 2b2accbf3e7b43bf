"""The canary: from every place that code could come from, one tries to write a marker file, and none is ever written.

What is tried here is refused, or read without its code; which of the two is the other tests' matter. Run it in both
environments of .ci/bounds.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from task_files import write_task
from transformers import AutoConfig

from calibaudit.chat.settings import ChatSettings
from calibaudit.cli.settings.files import command_defaults
from calibaudit.errors import CalibauditError, SftError, TaskError
from calibaudit.models.model import load_model
from calibaudit.scores.saved import read_saved
from calibaudit.scoring.score import score
from calibaudit.tasks.library import check_runs_no_code
from calibaudit.tasks.load import check_task_file, load_task
from calibaudit.tasks.templates import Field
from calibaudit.training.data.rows import read_rows
from tests.families import save_tiny

ROWS = [{"q": f"is {i} even", "options": ["yes", "no"], "gold": i % 2} for i in range(4)]


class Marks:
    """Pickled, it writes the marker when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return open, (str(self.marker), "w")


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "the-marker"


def source(marker: Path) -> str:
    """Python that writes it."""
    return f"open({str(marker)!r}, 'w').close()\n"


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def auto_map(folder: Path, marker: Path) -> None:
    (folder / "modeling_own.py").write_text(source(marker))
    names = {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.Own"}
    edit(folder / "config.json", auto_map=names)


def own_model_type(folder: Path, marker: Path) -> None:
    auto_map(folder, marker)
    edit(folder / "config.json", model_type="own-type", architectures=["Own"])


def own_tokenizer(folder: Path, marker: Path) -> None:
    (folder / "tokenization_own.py").write_text(source(marker))
    names = {"AutoTokenizer": ["tokenization_own.Own", "tokenization_own.OwnFast"]}
    edit(folder / "tokenizer_config.json", auto_map=names, tokenizer_class="Own")


def own_processor(folder: Path, marker: Path) -> None:
    (folder / "processing_own.py").write_text(source(marker))
    names = {"AutoProcessor": "processing_own.Own", "AutoImageProcessor": "processing_own.Own"}
    for file in ("processor_config.json", "preprocessor_config.json"):
        (folder / file).write_text(json.dumps({"auto_map": names, "processor_class": "Own"}))


def own_generation(folder: Path, marker: Path) -> None:
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(source(marker))


def hub_kernels(folder: Path, marker: Path) -> None:
    edit(folder / "config.json", attn_implementation="someone/kernels")


def pickled_weights(folder: Path, marker: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"model.embed_tokens.weight": Marks(marker)}, folder / "pytorch_model.bin")


def pickled_beside(folder: Path, marker: Path) -> None:
    for file in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "scheduler.pt", "vocab.pkl", "model.pth"):
        torch.save({"weight": Marks(marker)}, folder / file)


def pickled_by_another_name(folder: Path, marker: Path) -> None:
    torch.save({"model.embed_tokens.weight": Marks(marker)}, folder / "model.safetensors")


def template_out_of_its_sandbox(folder: Path, marker: Path) -> None:
    opened = f"open({str(marker)!r},'w')"
    (folder / "chat_template.jinja").write_text(
        "{{ cycler.__init__.__globals__.__builtins__['eval'](" + repr(opened) + ") }}"
        "{{ messages|attr('__class__')|attr('__base__')|attr('__subclasses__')() }}"
    )


def adapter(folder: Path, marker: Path) -> None:
    """In the place of the weights, on the same folder's other copy."""
    save_tiny(folder / "base")
    for file in ("model.safetensors", "config.json"):
        (folder / file).unlink()
    (folder / "own_library.py").write_text(source(marker))
    auto = {"base_model_class": "Own", "parent_library": "own_library"}
    settings = {"peft_type": "LORA", "task_type": None, "r": 4, "target_modules": ["q_proj"], "auto_mapping": auto}
    settings |= {"base_model_name_or_path": str(folder / "base"), "auto_map": {"AutoModel": "own_library.Own"}}
    (folder / "adapter_config.json").write_text(json.dumps(settings | {"megatron_core": "own_library"}))
    torch.save({"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": Marks(marker)},
               folder / "adapter_model.bin")  # fmt: skip


def adapter_with_code(folder: Path, marker: Path) -> None:
    """The same with weights that can be read, so that PEFT is reached."""
    peft = pytest.importorskip("peft", reason="needs the peft extra")
    from transformers import AutoModelForCausalLM

    adapter(folder, marker)
    settings = json.loads((folder / "adapter_config.json").read_text())
    network = AutoModelForCausalLM.from_pretrained(folder / "base")
    peft.get_peft_model(network, peft.LoraConfig(r=4, target_modules=["q_proj"])).save_pretrained(folder)
    edit(folder / "adapter_config.json", **{name: settings[name] for name in ("auto_mapping", "auto_map")})
    edit(folder / "adapter_config.json", base_model_name_or_path=str(folder / "base"))


MODELS: list[Callable[[Path, Path], None]] = [
    auto_map, own_model_type, own_tokenizer, own_processor, own_generation, hub_kernels, pickled_weights,
    pickled_beside, pickled_by_another_name, template_out_of_its_sandbox, adapter, adapter_with_code,
]  # fmt: skip


@pytest.mark.parametrize("hostile", MODELS, ids=[hostile.__name__ for hostile in MODELS])
def test_a_checkpoints_code_never_runs(
    hostile: Callable[[Path, Path], None], marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_tiny(tmp_path / "checkpoint")
    hostile(folder, marker)
    monkeypatch.syspath_prepend(str(folder))  # so that a library which imports by name would find it
    task = load_task(str(write_task(tmp_path, "t", ROWS)))
    for template in ("auto", "off"):
        refused = _refusal(lambda template=template: score(  # type: ignore[misc]
            task, load_model(str(folder), offline=True), chat=ChatSettings(template)
        ))  # fmt: skip
        assert "\n" not in refused
    assert not marker.exists()


def _refusal(work: Callable[[], object]) -> str:
    """The line that says why not, "" where it was done."""
    try:
        work()
    except CalibauditError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "_attn_implementation_internal"])
def test_kernels_of_the_hub_are_refused_by_name(key: str, tmp_path: Path) -> None:
    """Where transformers heeds the key at all: which of them it does differs between versions."""
    folder = save_tiny(tmp_path / "checkpoint")
    edit(folder / "config.json", **{key: "someone/kernels"})
    told = "attn_implementation 'someone/kernels' is code of the hub, which is never run"
    if AutoConfig.from_pretrained(folder)._attn_implementation == "someone/kernels":
        with pytest.raises(CalibauditError, match=told):
            load_model(str(folder))
    else:
        assert load_model(str(folder)).network.config._attn_implementation in ("sdpa", "eager")


ESCAPES = [
    "{{ cycler.__init__.__globals__.os.environ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(cycler) }}",
    "{{ ('{0.__init__.__globals__[os].environ}'|attr('format'))(cycler) }}",
    "{{ (['{0.__init__.__globals__[os].environ}']|map(attribute='format')|first)(cycler) }}",
    "{{ (['{0.__init__.__globals__[os].environ}']|map('attr', 'format')|first)(cycler) }}",
    "{% set f = '{0.__class__}'.format_map %}{{ f({'0': cycler}) }}",
    "{{ q|regex_replace('.', '{0.__class__.__mro__}'.format) }}",
    "{{ q|regex_replace('.', cycler) }}",
    "{{ q|regex_replace('.', namespace) }}",
    "{{ self._TemplateReference__context.environment.from_string('{{ 7 }}') }}",
    "{% for part in [cycler]|map(attribute='__init__') %}{{ part.__globals__ }}{% endfor %}",
    "{{ namespace.__init__['__globals__'] }}",
    "{{ doc.keys.__self__.__class__ }}",
    "{{ joiner.__call__.__func__.__code__ }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
]


@pytest.mark.parametrize("template", ESCAPES)
def test_a_template_stays_in_its_sandbox(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jinja before 3.1.6 gave out the environment through `attr('format')`, our regex_replace called what it got."""
    monkeypatch.setenv("CANARY", "a-secret-of-the-environment")
    field = Field("doc_to_text", template, ["q"])
    with pytest.raises(TaskError) as refused:
        field({"q": "why"})
    for told in ("a-secret-of-the-environment", "root:x:0", "\n"):
        assert told not in str(refused.value)


def test_filters_take_text_only() -> None:
    with pytest.raises(TaskError, match="regex_replace: the replacement must be text, not type"):
        Field("doc_to_text", "{{ q|regex_replace('.', cycler) }}", ["q"])({"q": "why"})
    assert Field("doc_to_text", "{{ q|regex_replace('h', '-') }}", ["q"])({"q": "why"}) == "w-y"


def yaml_tags(folder: Path, marker: Path) -> Path:
    path = write_task(folder, "t", ROWS)
    text = source(marker)
    tagged = "".join(
        f"{key}: {value}\n" for key, value in json.loads(path.read_text()).items() if key != "doc_to_choice"
    )
    tagged += f"metadata: !!python/object/apply:builtins.exec [{json.dumps(text)}]\n"
    path.write_text(tagged + "doc_to_choice: !!python/name:os.system\n")
    return path


def functions(folder: Path, marker: Path) -> Path:
    (folder / "own.py").write_text(source(marker))
    path = write_task(folder, "t", ROWS)
    lines = [f"{key}: {json.dumps(value)}\n" for key, value in json.loads(path.read_text()).items()]
    path.write_text("".join(lines) + "process_docs: !function own.run\nmetric_list: !function own.run\n")
    return path


def script(folder: Path, marker: Path) -> Path:
    (folder / "set").mkdir()
    for name in ("set.py", "__init__.py", "conftest.py", "dataset.py"):
        (folder / "set" / name).write_text(source(marker))
    (folder / "set" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return write_task(folder, "t", ROWS, dataset_path="./set", dataset_kwargs={"trust_remote_code": True})


def pickled_rows(folder: Path, marker: Path) -> Path:
    (folder / "set").mkdir()
    for name in ("test.pkl", "test.pickle", "test-0.parquet.pkl"):
        (folder / "set" / name).write_bytes(pickle.dumps(Marks(marker)))
    return write_task(folder, "t", ROWS, dataset_path="./set")


def web_data_set(folder: Path, marker: Path) -> Path:
    (folder / "set").mkdir()
    with tarfile.open(folder / "set" / "test.tar", "w") as tar:
        for i in range(3):
            for suffix in ("pyd", "pickle", "pkl", "pth", "npy", "json"):
                content = b"{}" if suffix == "json" else pickle.dumps(Marks(marker))
                member = tarfile.TarInfo(f"{i}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return write_task(folder, "t", ROWS, dataset_path="./set")


def arrow_file(path: Path, marker: Path) -> None:
    """A column of an extension type that older pyarrow unpickles (CVE-2023-47248), as a stream and as Parquet."""
    import pyarrow as pa
    from pyarrow import parquet

    extension = {"ARROW:extension:name": "arrow.py_extension_type"}
    extension["ARROW:extension:metadata"] = pickle.dumps(Marks(marker), 0).decode("latin-1")
    field = pa.field("q", pa.string(), metadata=extension)
    table = pa.Table.from_arrays([pa.array(["a", "b"])], schema=pa.schema([field]))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    parquet.write_table(table, path.with_suffix(".parquet"))


def pickled_arrow_type(folder: Path, marker: Path) -> Path:
    arrow_file(folder / "rows.arrow", marker)
    return write_task(folder, "t", ROWS, dataset_path="arrow", dataset_kwargs={"data_files": {"test": "rows.arrow"}})


TASKS: list[Callable[[Path, Path], Path]] = [
    yaml_tags, functions, script, pickled_rows, web_data_set, pickled_arrow_type,
]  # fmt: skip


@pytest.mark.parametrize("hostile", TASKS, ids=[hostile.__name__ for hostile in TASKS])
def test_a_tasks_code_never_runs(
    hostile: Callable[[Path, Path], Path], marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_TRUST_REMOTE_CODE", "1")
    path = hostile(tmp_path, marker)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert check_task_file(path, offline=True)
    refused = _refusal(lambda: load_task(str(path), offline=True))
    assert refused
    assert "\n" not in refused
    assert not marker.exists()


def test_older_datasets_are_refused_whatever_pip_was_told() -> None:
    """2.19 ran a script that another program was once told to trust, also under trust_remote_code=False."""
    import datasets

    for version in ("2.19.0", "3.6.0"):
        with pytest.raises(TaskError, match=rf"datasets {version} runs code of data sets: pip install --upgrade"):
            check_runs_no_code(version)
    check_runs_no_code("4.0.0")
    check_runs_no_code(datasets.__version__)


def test_rows_and_scores_are_never_unpickled(marker: Path, tmp_path: Path) -> None:
    arrow_file(tmp_path / "rows.arrow", marker)
    for name in ("rows.jsonl", "rows.csv", "rows.json", "scores.parquet", "scores.json", "log.eval", "table.csv"):
        (tmp_path / name).write_bytes(pickle.dumps(Marks(marker)))
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../rows.arrow"}]}))
    (tmp_path / "saved" / "dataset_info.json").write_text("{}")
    for name in ("rows.jsonl", "rows.csv", "rows.json", "rows.parquet", "saved"):
        with pytest.raises(SftError):
            read_rows(str(tmp_path / name), offline=True)
    for name in ("scores.parquet", "scores.json", "log.eval", "table.csv", "rows.parquet"):
        with pytest.raises(CalibauditError):
            read_saved(str(tmp_path / name), None)
    assert not marker.exists()


SHADOWS = (
    *("torch", "typer", "datasets", "transformers", "numpy", "yaml", "jinja2", "pydantic", "rich", "peft", "fsspec"),
    *("safetensors", "kernels", "huggingface_hub", "tokenizers", "accelerate", "click", "triton", "tasks"),
    *("conftest", "sitecustomize", "usercustomize", "calibaudit_plugin"),
)


def test_nothing_is_imported_from_the_working_directory(marker: Path, tmp_path: Path, root: Path) -> None:
    """`python -m calibaudit` in a folder that shadows what it imports, and names plug-ins of PyTorch and fsspec."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(source(marker))
    points = tmp_path / "own-1.0.dist-info"
    points.mkdir()
    (points / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    (points / "entry_points.txt").write_text(
        "[torch.backends]\nown = conftest:run\n[fsspec.specs]\nown = conftest:run\n"
    )
    save_tiny(tmp_path / "checkpoint")
    write_task(tmp_path, "t", ROWS)
    environment = os.environ | {"PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "calibaudit", "tasks", "show", "t.yaml", "--model", "checkpoint", "--offline"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=180)
    assert done.returncode == 0, done.stderr
    assert "t item 0: id 0" in done.stdout
    assert not marker.exists()


def test_no_command_can_fetch_kernels_of_the_hub(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """bitsandbytes asks the package `kernels` for one when it is imported, on processors with bfloat16 of their own."""
    from calibaudit.cli.app import main

    monkeypatch.setitem(sys.modules, "kernels", None)  # so that what main does is undone
    del sys.modules["kernels"]
    monkeypatch.setattr(sys, "argv", ["calibaudit", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    with pytest.raises(ImportError):
        importlib.import_module("kernels")
    assert capsys.readouterr().err == ""


def test_a_config_file_names_no_code(marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.py").write_text(source(marker))
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "pyproject.toml"
    for key in ("plugins", "trust-remote-code", "import", "custom-generate"):
        path.write_text(f'[tool.calibaudit]\n{key} = ["own"]\n')
        with pytest.raises(CalibauditError, match=key):
            command_defaults(path, "score", {"tasks", "limit"}, {"tasks", "limit"})
    assert not marker.exists()
