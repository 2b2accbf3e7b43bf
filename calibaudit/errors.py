"""What can go wrong for a user. The command line prints the message as one line and exits with `exit_code`.

A message names the thing, the value and the rule, and says what to do. `assert` is for our own mistakes only.
"""

from __future__ import annotations


class CalibauditError(Exception):
    """The call, the data or the model is unusable (exit code 2)."""

    exit_code = 2


class TaskError(CalibauditError):
    """A task name, file, source or item is unusable."""


class ModelError(CalibauditError):
    """A checkpoint cannot be found, loaded or run."""


class ScoresError(CalibauditError):
    """Scores are unusable: not a number, wrong shape, or not comparable with another side's."""


class SftError(CalibauditError):
    """Tuning data are unusable: nothing to read, no row that can be trained on, a chat template that loses content."""


class TrainingError(CalibauditError):
    """Training cannot start, go on or be resumed."""


class OutputError(CalibauditError):
    """A result cannot be written."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a sentence that says how to go on (exit code 130)."""
