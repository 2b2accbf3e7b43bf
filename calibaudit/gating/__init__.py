"""Two scores and limits to a verdict."""

from __future__ import annotations

from calibaudit.gating.limits import Limits
from calibaudit.gating.verdict import Verdict, gate

__all__ = ["Limits", "Verdict", "gate"]
