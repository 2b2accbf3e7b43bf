"""Two scores and limits to a verdict."""

from __future__ import annotations

from calibaudit.gating.verdict import Limits, Verdict, gate

__all__ = ["Limits", "Verdict", "gate"]
