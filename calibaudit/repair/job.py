"""What every way of repairing is given, and what it gives back to be judged."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from calibaudit.advice.recommendation import Recommendation
from calibaudit.analysis.compare import Comparison, compare
from calibaudit.analysis.settings import Settings
from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import ModelError
from calibaudit.models.distributed import gathered, rank
from calibaudit.models.model import Model
from calibaudit.repair.candidates import Attempt
from calibaudit.repair.settings import FixSettings
from calibaudit.repair.sides import Audited, Side
from calibaudit.repair.verdict import FirstChoices, RepairVerdict, Retention, judge
from calibaudit.training.prepare import Prepared
from calibaudit.training.results.fit import Fit


class NothingServesError(ModelError):
    """A way of repairing was tried and has nothing to offer. advice: what the trying told."""

    def __init__(self, message: str, advice: Recommendation) -> None:
        super().__init__(message)
        self.advice = advice


@dataclass(frozen=True, eq=False)
class Job:
    """base, before: as they were. within: the chat template's settings, where the audit stands outside the template.

    workspace: a folder for the checkpoints that are tried. revision: INSTRUCT's on the hub. resume: take up what an
    interrupted run left there.
    """

    ready: Prepared
    audited: Audited
    base: Side
    before: Side
    settings: FixSettings
    audit: Settings
    workspace: Path
    within: ChatSettings | None
    revision: str | None
    resume: bool

    def on_advice(self, folder: Path, label: str, enough: Callable[[Fit | None], bool] = lambda _: False) -> Side:
        """The checkpoint on the half that chooses, and its fit to the tuning rows. enough: as in `Audited.score`."""
        audited = dataclasses.replace(self.audited, proof=())
        return audited.score(str(folder), label=label, inside=self.within, enough=enough)

    def on_both(self, folder: Path, label: str, look: Callable[[Model], None]) -> Side:
        """On both halves. look: called with the loaded model."""
        return self.audited.score(str(folder), label=label, inside=self.within, look=look)

    def proven(self, attempt: Attempt) -> Attempt:
        """With the half that proves, of which nothing was known so far."""
        rest = dataclasses.replace(self.audited, advice=(), examples=())
        side = rest.score(str(attempt.folder), label=f"{attempt.setting.method}, proof:", inside=self.within)
        return dataclasses.replace(attempt, side=dataclasses.replace(attempt.side, proof=side.proof))

    def retention(self, after: Fit | None, first_choices: FirstChoices | None = None) -> Retention:
        return Retention(self.base.fit, self.before.fit, after, first_choices)

    def tried(self, after: Side, retention: Retention) -> tuple[RepairVerdict, Comparison]:
        """The verdict by the half that chooses, and the comparison that it is of."""
        repair = compare(self.before.advice.scores, after.advice.scores, self.audit)
        inside = None
        if after.advice.inside:
            inside = compare(self.before.advice.inside, after.advice.inside, self.audit)
        return judge(repair, retention, self.settings.accuracy_margin, inside), repair

    def empty(self, name: str) -> Path:
        """The path of a folder of the workspace that is not there."""
        folder = self.workspace / name
        if rank() == 0 and folder.exists():
            shutil.rmtree(folder)
        gathered([0])
        return folder


def drop(attempt: Attempt) -> None:
    """A checkpoint that will not be taken makes room."""
    if rank() == 0:
        shutil.rmtree(attempt.folder, ignore_errors=True)
    gathered([0])
