"""A training run from checkpoint to checkpoint: the result stands at OUT whole, or not at all.

While it runs, everything lies in OUT.partial beside OUT, where an interrupted run is taken up again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calibaudit.errors import OutputError, SftError, TrainingError
from calibaudit.files.paths import broken_link
from calibaudit.files.read import decode_json, read_json
from calibaudit.models.checkpoints import Checkpoint
from calibaudit.models.devices import DTYPES, choose_device, free_memory
from calibaudit.models.distributed import gathered, own_device, rank
from calibaudit.models.formats.save import save_checkpoint
from calibaudit.models.load import load_network
from calibaudit.training.data.encode import Example
from calibaudit.training.known import known_rows, marks_of
from calibaudit.training.results.run import TrainingRun
from calibaudit.training.resume import DEFAULTS, deciding, known_before
from calibaudit.training.settings import TrainingSettings
from calibaudit.training.train import CHECKPOINTS, smooths_known, train
from calibaudit.training.trainer import LOG
from calibaudit.training.watching import WATCHED

RECORD = "training.json"
"""Written into OUT when training is done: from what, with what, and how it went."""


stages = logging.getLogger("calibaudit.stages")


def check_folder(out: Path, *, resume: bool) -> None:
    """Raises OutputError where `out` holds something that a run would overwrite, or cannot be made."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: already exists; name another folder with --out, or remove it")
    if told := broken_link(out):
        raise OutputError(f"{out}: {told}; name another folder with --out")
    parent = out.resolve().parent
    if not parent.is_dir():
        raise OutputError(f"{out}: the folder {parent} does not exist; make it first")
    if partial_folder(out).exists() and not resume and not is_leftover(out):
        raise OutputError(f"{partial_folder(out)}: left by an interrupted run; go on with --resume, or remove it")
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{out.name}."):
            pass
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}; name another with --out") from error


def partial_folder(out: Path) -> Path:
    return out.with_name(f"{out.name}.partial")


OWN = "calibaudit-works-here.txt"
"""Marks OUT.partial as a folder that calibaudit made, and may remove."""


def worth_resuming(out: Path) -> bool:
    """Whether there is a run that `--resume` goes on with."""
    folder = partial_folder(out)
    return any(folder.glob(f"smooth-*/{RECORD}")) or any(folder.glob("smooth-*.partial/checkpoints/checkpoint-*"))


def is_leftover(out: Path) -> bool:
    """Whether OUT.partial is what a killed run left, and of no use to another one."""
    return (partial_folder(out) / OWN).is_file() and not worth_resuming(out)


def retune(
    start: Checkpoint,
    tokenizer: Any,
    examples: Sequence[Example],
    out: Path,
    settings: TrainingSettings,
    *,
    prior: Checkpoint | None,
    device: str,
    dtype: str,
    resume: bool,
    progress: Callable[[int, int, float, float], None],
) -> TrainingRun:
    """Train `start` on the examples and save it to `out` with the tokenizer, in dtype.

    prior: what to smooth towards where settings.prior is base, and who knows a row where settings.where is known.
    device: as --device. resume: take up an interrupted run, or find that it was finished; raises OutputError where that
    one was made otherwise.
    """
    identity = _identity(start, prior, examples, settings)
    if resume and (out / RECORD).is_file():
        return _finished(out, identity)
    partial, device = partial_folder(out), own_device(device)
    on_cpu = choose_device(device).startswith("cpu")
    # shares are made float32 one layer at a time
    loaded = load_network(start, "float32" if settings.sharding == "none" or on_cpu else "auto", device)
    anchor, prior_dtype = None, "float32" if loaded.device == "cpu" else "auto"
    if prior is not None and settings.prior == "base" and settings.label_smoothing > 0:
        shares_weights = settings.lora is not None and prior.revision == start.revision
        if not shares_weights:  # else: the same weights with the adapter off
            anchor = load_network(prior, prior_dtype, device).network
    known = None
    if smooths_known(settings):
        if prior is None:
            raise TrainingError("where known: base says which rows are known, so give it as the prior")
        known = known_before(partial / CHECKPOINTS) if resume else None
        if known is None:
            base = loaded.network if prior.revision == start.revision else anchor
            base = load_network(prior, prior_dtype, device).network if base is None else base
            known = known_rows(base, examples, marks_of(tokenizer))
            del base
            free_memory()
    stages.info("setting up the training run")
    run = train(
        loaded.network, tokenizer, examples, partial, settings,
        anchor=anchor, known=known, resume=resume, progress=progress,
    )  # fmt: skip
    if rank() == 0:
        stages.info("saving the trained model")
        model = partial / "model"
        save_checkpoint(loaded.network, tokenizer, model, DTYPES[dtype])
        _put_in_place(model, out, {"made_from": identity, "run": dataclasses.asdict(run)})
    stages.info("", extra={"done": 1, "total": 1})
    gathered([0])  # the other processes read it next
    del loaded, anchor
    free_memory()
    return run


def _put_in_place(model: Path, out: Path, record: Mapping[str, Any]) -> None:
    partial = model.parent
    try:
        (model / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (partial / LOG).replace(model / LOG)
        if (partial / WATCHED).is_dir():
            (partial / WATCHED).replace(model / WATCHED)
        if out.is_dir():
            out.rmdir()
        model.replace(out)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be written: {error.strerror or error}; the trained model is in {model}"
        ) from error
    shutil.rmtree(partial, ignore_errors=True)


def _identity(
    start: Checkpoint, prior: Checkpoint | None, examples: Sequence[Example], settings: TrainingSettings
) -> dict[str, Any]:
    digest = hashlib.sha256()
    for example in examples:
        digest.update(repr((example.input_ids, example.labels)).encode())
    return {
        "start": start.revision,
        "base": None if prior is None else prior.revision,
        "data": f"sha256:{digest.hexdigest()[:16]}",
        **deciding(settings),
    }


def _finished(out: Path, identity: Mapping[str, Any]) -> TrainingRun:
    path = out / RECORD
    try:
        record = read_json(path, SftError)
        made_from, run = record["made_from"], TrainingRun(**record["run"])
    except (SftError, KeyError, TypeError) as error:
        raise SftError(f"{path}: cannot be read ({error}); remove {out} and train again") from error
    made_from = DEFAULTS | made_from
    for name, value in decode_json(json.dumps(identity)).items():
        if made_from.get(name) != value:
            raise OutputError(
                f"{out}: was trained with {name} {made_from.get(name)}, not {value}; name another folder with --out"
            )
    return run
