"""What thinking before the answers did, in a sentence a model."""

from __future__ import annotations

from collections.abc import Mapping

from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.analysis.thinking import ThinkingEffect
from calibaudit.files.shown.card import count
from calibaudit.report.words.text import number, short_names, signed


def thinking_sentences(result: Comparison | ModelAudit) -> list[str]:
    """One for each model that thought; none where answers were direct."""
    if isinstance(result, ModelAudit):
        sides = [(short_names(result.model.name, "")[0], result.thinking)]
    else:
        sides = list(zip(short_names(result.before.name, result.after.name), result.thinking, strict=True))
    return [_sentence(name, effect) for name, effect in sides if effect is not None]


def _sentence(name: str, effect: ThinkingEffect) -> str:
    how = "one greedy thought" if effect.samples == 1 else f"{effect.samples} sampled thoughts"
    said = (
        f"{name} answered {count(effect.n_items, 'item')} after {how} of up to {effect.n_tokens:,} tokens "
        f"({effect.mean_tokens:.0f} on average): after an empty thought it is {_figures(effect.direct)}; after "
        f"thinking {_figures(effect.thoughtful)}."
    )
    if effect.truncated:
        said += f" {_share(effect.truncated)} of the thoughts were cut off there; a higher --think may help."
    if effect.unclosed:
        said += f" {_share(effect.unclosed)} ended with the turn, before any answer."
    return said


def _figures(found: Mapping[str, float]) -> str:
    return (
        f"{found['accuracy'] * 100:.0f} % right at {found['confidence'] * 100:.0f} % confidence (gap "
        f"{signed(found['gap'], 2)}, plug-in ECE {number(found['ece_plugin'], 2)})"
    )


def _share(share: float) -> str:
    return "< 1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"
