"""calibaudit: what instruction tuning did to a language model's calibration.

The package imports nothing heavy: names below are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calibaudit.advice.recommend import recommend
    from calibaudit.advice.recommendation import Recommendation
    from calibaudit.analysis.audit import Audit, ModelAudit, audit, audit_model
    from calibaudit.analysis.compare import Comparison, compare
    from calibaudit.analysis.settings import Settings
    from calibaudit.chat.settings import ChatSettings
    from calibaudit.errors import CalibauditError
    from calibaudit.gating.limits import Limits
    from calibaudit.gating.verdict import Verdict, gate
    from calibaudit.models.model import Model, load_model
    from calibaudit.repair.candidates import Repair
    from calibaudit.repair.fix import fix
    from calibaudit.repair.monitor.callback import CalibrationCallback
    from calibaudit.repair.settings import FixSettings
    from calibaudit.report.formats import save
    from calibaudit.scores.logs.formats import read_logs
    from calibaudit.scores.saved import read_scores
    from calibaudit.scores.scores import Scores
    from calibaudit.scoring.score import score
    from calibaudit.tasks.items import Item, Task
    from calibaudit.tasks.load import load_task, load_tasks
    from calibaudit.training.loss.fused import use_fused_loss

__version__ = version("calibaudit")

_HOME = {
    "Audit": "analysis.audit",
    "CalibauditError": "errors",
    "CalibrationCallback": "repair.monitor.callback",
    "ChatSettings": "chat.settings",
    "Comparison": "analysis.compare",
    "FixSettings": "repair.settings",
    "Item": "tasks.items",
    "Limits": "gating.limits",
    "Model": "models.model",
    "ModelAudit": "analysis.audit",
    "Recommendation": "advice.recommendation",
    "Repair": "repair.candidates",
    "Scores": "scores.scores",
    "Settings": "analysis.settings",
    "Task": "tasks.items",
    "Verdict": "gating.verdict",
    "audit": "analysis.audit",
    "audit_model": "analysis.audit",
    "compare": "analysis.compare",
    "fix": "repair.fix",
    "gate": "gating.verdict",
    "load_model": "models.model",
    "load_task": "tasks.load",
    "load_tasks": "tasks.load",
    "read_logs": "scores.logs.formats",
    "read_scores": "scores.saved",
    "recommend": "advice.recommend",
    "save": "report.formats",
    "score": "scoring.score",
    "use_fused_loss": "training.loss.fused",
}

__all__ = [
    "Audit",
    "CalibauditError",
    "CalibrationCallback",
    "ChatSettings",
    "Comparison",
    "FixSettings",
    "Item",
    "Limits",
    "Model",
    "ModelAudit",
    "Recommendation",
    "Repair",
    "Scores",
    "Settings",
    "Task",
    "Verdict",
    "__version__",
    "audit",
    "audit_model",
    "compare",
    "fix",
    "gate",
    "load_model",
    "load_task",
    "load_tasks",
    "read_logs",
    "read_scores",
    "recommend",
    "save",
    "score",
    "use_fused_loss",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"calibaudit.{_HOME[name]}"), name)
    raise AttributeError(f"module 'calibaudit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
