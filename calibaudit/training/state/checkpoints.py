"""Checkpoints of a run that are written while it goes on, and are there whole or not at all.

Each is copied to host memory, which a GPU does beside its next step, and written by a thread. One at a time: the next
one waits for it. Where the host has no memory for it, training waits until it is written.

Of a run in shares each process writes its own share, and it is for as many processes to take up. Else the first writes
all, and model.safetensors is what `from_pretrained` reads. The last one, of a finished run, has no optimizer's state.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from calibaudit.errors import TrainingError
from calibaudit.files.read import parse_json
from calibaudit.models.distributed import gathered, rank, world_size
from calibaudit.models.formats.save import put_in_place, write_failure
from calibaudit.training.resume import MADE_FROM, drop_earlier, last_checkpoint
from calibaudit.training.state.host_copy import HostCopy, Layout, n_blocks, write_blocks
from calibaudit.training.state.tensors import begin_state, keep_only, of_network, of_optimizer

WRITING = ".writing"
"""In the folder of the checkpoints: what is being written."""

_OTHERS = "others"


class Checkpoints:
    """Of one run. folder: theirs. made_from: goes into each. sharded: whether each process has a share of its own."""

    def __init__(self, folder: Path, made_from: Mapping[str, Any], device: torch.device, *, sharded: bool) -> None:
        self._folder, self._made_from, self._sharded = folder, made_from, sharded
        self._copy = HostCopy(device)
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._step: int | None = None

    @property
    def busy(self) -> bool:
        """Whether this process is writing."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def failed(self) -> bool:
        """Whether this process could not write."""
        return self._error is not None

    @property
    def pending(self) -> bool:
        """Whether there is one that does not have its name yet; on all processes alike."""
        return self._step is not None

    def reserve(self, network: Any, optimizer: Any) -> None:
        """Take the host memory for the first one, in a thread: a checkpoint will be due later."""
        if not self._writes:
            return
        needed = sum(map(n_blocks, self._layouts(network, optimizer).values()))
        if self._copy.fits(needed, self._beside):
            self._start(lambda: self._copy.reserve(needed))

    def save(self, step: int, network: Any, optimizer: Any | None, write_small: Callable[[Path], None]) -> None:
        """Begin to write the state after a step; every process calls it. The one before is finished first.

        optimizer: None: its state is not needed any more. write_small: puts what takes no time into a folder.
        Raises TrainingError where this one, or the one before, cannot be written.
        """
        self.settle()
        self._step = step
        partial = self._folder / WRITING / f"checkpoint-{step}"
        try:
            partial.mkdir(parents=True, exist_ok=True)
            write_small(partial)
            if not self._writes:
                return
            if rank() == 0:
                (partial / MADE_FROM).write_text(json.dumps(self._made_from) + "\n", encoding="utf-8")
            layouts = {partial / name: layout for name, layout in self._layouts(network, optimizer).items()}
            if self._copy.fits(sum(map(n_blocks, layouts.values())), self._beside):
                copied = list(zip(layouts.items(), self._copy.take(list(layouts.values())), strict=True))

                def write() -> None:
                    self._copy.wait()
                    for (path, layout), blocks in copied:
                        write_blocks(path, layout, blocks)

                self._start(write)
            else:
                for path, layout in layouts.items():
                    self._copy.write_through(layout, path)
        except Exception as error:  # the writers raise what they like when the disk is full
            self._error = error

    def before_change(self) -> None:
        """Before the weights change."""
        self._copy.before_change()

    def finish(self) -> None:
        """Give the one that is written its name; when no process is busy any more, and none has failed."""
        step, self._step = self._step, None
        if rank() == 0:
            partial = self._folder / WRITING / f"checkpoint-{step}"
            try:
                put_in_place(partial, self._folder / partial.name)
            except OSError as error:
                self._step, self._error = step, error
                raise self.failure() from error
            shutil.rmtree(self._folder / WRITING, ignore_errors=True)
            drop_earlier(self._folder / partial.name)

    def settle(self) -> None:
        """Wait for the one that is being written, in all processes. Raises TrainingError where it was not."""
        self.join()
        if self.pending:
            if any(gathered([self.failed])):
                raise self.failure()
            self.finish()
            gathered([0])  # whoever looks next finds this one

    def close(self) -> None:
        """After the last one: the host memory is free again."""
        self.join()
        self._copy.release()

    def leave(self) -> None:
        """When training has failed: wait for what is being written. A process alone can still give it its name."""
        self.join()
        if self.failed:
            shutil.rmtree(self._folder / WRITING, ignore_errors=True)
        elif self.pending and world_size() == 1:
            with contextlib.suppress(TrainingError):
                self.finish()

    def join(self) -> None:
        """Wait for this process's thread."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def failure(self) -> TrainingError:
        """What to raise, the same moment in every process, where one could not write; what was written goes."""
        self.join()
        step, error = self._step, self._error
        self._step = self._error = None
        shutil.rmtree(self._folder / WRITING, ignore_errors=True)
        earlier = last_checkpoint(self._folder)
        advice = "make room and start again" if earlier is None else f"make room and resume from {earlier}"
        reason = "another process could not write" if error is None else write_failure(error, self._folder)
        said = f"step {step}: the checkpoint cannot be written to {self._folder}: {reason}; {advice}"
        failure = TrainingError(said)
        failure.__cause__ = error
        return failure

    def load_network(self, checkpoint: Path, network: Any) -> None:
        """Overwrite the weights with a checkpoint's. Raises TrainingError."""
        self._fill(checkpoint / self._name("model"), of_network(network))

    def load_optimizer(self, checkpoint: Path, network: Any, optimizer: Any) -> None:
        """Overwrite the state of an optimizer that has not stepped yet; the checkpoint of a finished run has none."""
        path = checkpoint / self._name("optimizer")
        if not path.is_file():
            return
        begin_state(optimizer)
        targets, _ = of_optimizer(network, optimizer)
        metadata, found = self._fill(path, targets, some=True)
        keep_only(network, optimizer, found, parse_json(metadata[_OTHERS], str(path), TrainingError))

    @property
    def _writes(self) -> bool:
        return self._sharded or rank() == 0

    @property
    def _beside(self) -> int:
        """Processes of this host that write."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", world_size())) if self._sharded else 1

    def _layouts(self, network: Any, optimizer: Any | None) -> dict[str, Layout]:
        layouts = {self._name("model"): Layout(of_network(network), {"format": "pt"})}
        if optimizer is not None:
            tensors, others = of_optimizer(network, optimizer)
            layouts[self._name("optimizer")] = Layout(tensors, {_OTHERS: json.dumps(others)})
        return layouts

    def _name(self, what: str) -> str:
        share = f"-share-{rank() + 1}-of-{world_size()}" if self._sharded else ""
        return f"{what}{share}.safetensors"

    def _start(self, work: Callable[[], None]) -> None:
        self.join()

        def run() -> None:
            try:
                work()
            except Exception as error:
                self._error = error

        self._thread = threading.Thread(target=run, name="checkpoint")
        self._thread.start()

    @torch.no_grad()
    def _fill(self, path: Path, targets: dict[str, Any], *, some: bool = False) -> tuple[dict[str, str], set[str]]:
        """The file's tensors into those of the same name. some: whether it may lack some of them."""
        try:
            with safe_open(path, "pt") as file:
                found = set(file.keys())
                if not (found <= targets.keys() if some else found == targets.keys()):
                    raise TrainingError(
                        f"{path}: holds other tensors than this run; remove it to go on from an earlier one"
                    )
                for name in found:
                    targets[name].copy_(file.get_tensor(name).reshape(targets[name].shape))
                return dict(file.metadata()), found
        except OSError as error:
            raise TrainingError(f"{path}: cannot be read: {error.strerror or error}") from error
        except Exception as error:
            if isinstance(error, TrainingError):
                raise
            raise TrainingError(
                f"{path}: cannot be read ({error}); remove {path.parent} to go on from an earlier one"
            ) from error
