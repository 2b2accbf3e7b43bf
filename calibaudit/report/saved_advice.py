"""The advice in a saved result -> the Recommendation it was made from."""

from __future__ import annotations

from calibaudit.advice.head_bound import HeadBound
from calibaudit.advice.options.option import (
    REPAIR_METHODS,
    Changes,
    Ensemble,
    Figures,
    RepairOption,
)
from calibaudit.advice.recommendation import (
    ACTIONS,
    REJECTIONS,
    Demand,
    Method,
    PilotPoint,
    Prior,
    Recommendation,
    older_action,
)
from calibaudit.advice.words.repairs import KEEPS_ALL, KEEPS_LONG, LONG_CHOICES
from calibaudit.report.saved_values import (
    Result,
    change_of,
    float_of,
    interval_of,
    number_of,
    one_of,
    texts_of,
    whole_result,
)
from calibaudit.scores.schema import whole


def recommendation_of(result: Result, source: str = "the result") -> Recommendation | None:
    """The Recommendation in a result; None where there is none. Raises ScoresError as the others do."""
    found = result.get("recommendation")
    if found is None:
        return None
    with whole_result(source):
        demand = found["demand"]
        numbers = found["epsilon"]["value"], demand["gap"]["value"], found["margin"]
        older = found["method"], *map(number_of, numbers)
        return Recommendation(
            action=one_of(ACTIONS, found.get("action", older_action(*older)), "action"),
            epsilon=interval_of(found["epsilon"]),
            prior=one_of(Prior, found["prior"], "prior"),
            method=one_of(Method, found["method"], "method"),
            reason=str(found["reason"]),
            nll_weight=float_of(found["nll_weight"]),
            margin=number_of(found["margin"]),
            demand=Demand(
                gap=interval_of(demand["gap"]),
                temperature=interval_of(demand["temperature"]),
                option_epsilon=float_of(demand["option_epsilon"]),
            ),
            warnings=texts_of(found["warnings"]),
            head=None if found.get("head") is None else _head(found["head"]),
            pilot=tuple(_pilot_point(point) for point in found.get("pilot") or ()),
            options=tuple(_option(option) for option in found.get("options") or ()),
            trades=_trades(found),
            ensemble=None if found.get("ensemble") is None else _ensemble(found["ensemble"]),
        )


def _head(found: Result) -> HeadBound:
    return HeadBound(
        vocab_size=whole(found["vocab_size"]),
        hidden_size=whole(found["hidden_size"]),
        reach=number_of(found["reach"]),
        median_prob=number_of(found["median_prob"]),
        top_prob=number_of(found["top_prob"]),
        least_entropy=number_of(found["least_entropy"]),
    )


def _pilot_point(found: Result) -> PilotPoint:
    rejected = str(found["rejected"])
    if rejected and not set(rejected.split(", ")) <= set(REJECTIONS):
        raise ValueError(f"rejected is {rejected[:40]!r}")
    return PilotPoint(
        epsilon=number_of(found["epsilon"]),
        prior=one_of(Prior, found["prior"], "prior"),
        accuracy=number_of(found["accuracy"]),
        gap=interval_of(found["gap"]),
        ece=number_of(found["ece"]),
        nll=number_of(found["nll"]),
        auroc=float_of(found["auroc"]),
        option_mass=float_of(found["option_mass"]),
        learned=float_of(found["learned"]),
        rejected=rejected,
    )


def _trades(found: Result) -> tuple[str, ...]:
    texts = texts_of(found.get("trades") or [])
    if not any(_too_much(one) for one in found.get("options") or ()):
        return texts
    return tuple(text.replace(f"keeps {KEEPS_ALL} (", f"keeps {KEEPS_LONG} (") for text in texts)


def _too_much(option: Result) -> bool:
    """Whether a temperature was said to keep what one in the weights may change, as it was before."""
    return option["kept"] == KEEPS_ALL and str(option["basis"]).endswith(LONG_CHOICES)


def _option(found: Result) -> RepairOption:
    method, figures, change, above = (found[name] for name in ("method", "figures", "change", "above_base"))
    return RepairOption(
        method=one_of(REPAIR_METHODS, method, "method"),
        setting=None if found["setting"] is None else interval_of(found["setting"]),
        figures=None if figures is None else _figures(figures),
        change=None if change is None else _changes(change),
        above_base=None if above is None else change_of(above),
        kept=KEEPS_LONG if _too_much(found) else str(found["kept"]),
        cost=str(found["cost"]),
        basis=str(found["basis"]),
        agreement=float_of(found["agreement"]),
    )


def _ensemble(found: Result) -> Ensemble:
    return Ensemble(
        base=_figures(found["base"]),
        instruct=_figures(found["instruct"]),
        mixture=_figures(found["mixture"]),
        from_base=_changes(found["from_base"]),
        from_instruct=_changes(found["from_instruct"]),
    )


def _figures(found: Result) -> Figures:
    return Figures(*(interval_of(found[name]) for name in ("accuracy", "ece", "nll")))


def _changes(found: Result) -> Changes:
    return Changes(*(change_of(found[name]) for name in ("accuracy", "ece", "nll")))
