"""Of each repair that could serve what it keeps, costs and rests on; and how the advised one stands to the others."""

from __future__ import annotations

from collections.abc import Sequence

from calibaudit.advice.evidence import STUDY
from calibaudit.advice.options.option import Ensemble, RepairOption, surely
from calibaudit.advice.words.reasons import number, share, signed

KEEPS_ALL = "every first choice"
KEEPS_LONG = "every first choice, though a checkpoint may change those among choices of several tokens"
"""What a temperature keeps where each choice is one token, and where not: a checkpoint divides no sums."""
UNMEASURED = "not measured; fix tries it"

NO_TRAINING = "no training"
SCORINGS = "no training; one scoring per weight tried"
TUNING = "one tuning run per factor tried"

CROSS_FITTED = "measured on these items, each half at the temperature that fits the other half"
LONG_CHOICES = "; of whole choices, which a checkpoint follows exactly only where each is one token"
STAND_IN = "an estimate: the output mixture, which smoothing towards base aims at but may not reach"
UNTRIED = "unknown until tried"
ONE_RUN = "measured: the pilot's run with this factor, one seed, against its run with hard labels"

ONLY_THE_DATA = (
    "tuning again from base gives only what the tuning data teach: preference or safety tuning (DPO, RLHF, GRPO) that "
    "the tuned model also had is lost"
)
"""Of a repair that was made so, too."""

FROM_BASE = (
    f"{ONLY_THE_DATA}; a temperature keeps it, --start instruct begins from it, and merged weights lost more than a "
    f"twentieth of it in {STUDY.merge_below} of the study's {STUDY.n_two_stages} cells with such a stage"
)
"""Stands wherever such a repair is advised or ranked."""


def more_than_sft(sign: str) -> str:
    """sign: what says that the tuned model holds more than supervised tuning, as `tuning_signs` words it."""
    return (
        f"the tuned model may hold more than supervised tuning ({sign}): tuning again from base makes only what the "
        "tuning data teach and throws preference or safety tuning away, so repairs that start from the tuned model are "
        "ranked first; only a temperature never lost such tuning in the study"
    )


def learned(share_of_hard: float) -> str:
    return f"{share_of_hard * 100:.0f} % of what hard labels learned"


def against_base(option: RepairOption) -> str:
    """`.002 below base's`; empty where there is no base."""
    above = option.above_base
    if above is None or above.value is None:
        return ""
    if number(above.value) == ".000":
        return "equal to base's"
    return f"{number(above.value)} {'above' if above.value > 0 else 'below'} base's"


def gives(option: RepairOption, instruct: tuple[float, float, float]) -> str:
    """`ECE .118 → .040, accuracy .594 → .594, NLL ...`. instruct: the tuned model's ECE, accuracy and NLL."""
    assert option.figures is not None
    figures = option.figures
    pairs = zip(("ECE", "accuracy", "NLL"), instruct, (figures.ece, figures.accuracy, figures.nll), strict=True)
    return ", ".join(f"{name} {signed(was)} → {signed(now.value or 0.0)}" for name, was, now in pairs)


def temperature_beside(option: RepairOption, instruct: tuple[float, float, float], lost: float | None) -> str:
    """Of the temperature where smoothing is advised. lost: base's accuracy, where tuning surely lost some of it."""
    assert option.setting is not None
    start = (
        f"a temperature of {option.setting.value:.2f} costs no training and keeps {option.kept} "
        f"({gives(option, instruct)})"
    )
    if lost is not None:
        return (
            f"{start}, so it restores none of the accuracy that tuning lost ({number(lost)} → "
            f"{number(instruct[1])}): where only confidences matter, it is the cheaper repair: {option.command}"
        )
    return f"{start}, but the mixture is surely better, and the temperature leaves ECE {against_base(option)}"


def merge_beside(option: RepairOption) -> str:
    return (
        "weights merged with base's, and a temperature on top, may do as much without training: only a trial "
        f"tells ({option.command})"
    )


def smooth_beside(
    option: RepairOption, better: Sequence[str], worse: Sequence[str], instruct: tuple[float, float, float]
) -> str:
    """Of smoothing where a temperature is advised. better, worse: in what its mixture surely is, beside that."""
    assert option.setting is not None
    mixture = f"the mixture with {share(option.setting.value or 0.0)} of base ({gives(option, instruct)})"
    if better:
        but = f" and surely worse in {_listed(worse)}" if worse else ""
        return (
            f"{mixture} is surely better than the temperature in {_listed(better)}{but}; smoothing towards base aims "
            f"at it, and takes tuning runs ({option.command})"
        )
    if worse:
        return f"{mixture} is surely worse than the temperature in {_listed(worse)}, and surely better in nothing"
    return f"these items cannot tell {mixture} from the temperature, so the cheaper one is advised"


def ensemble(found: Ensemble) -> str | None:
    """The sentence where the half-half mixture is surely better than either model alone; else None."""
    both = [
        name
        for name, one, other, sign in (
            ("accuracy", found.from_base.accuracy, found.from_instruct.accuracy, 1),
            ("ECE", found.from_base.ece, found.from_instruct.ece, -1),
            ("NLL", found.from_base.nll, found.from_instruct.nll, -1),
        )
        if surely(one) == sign == surely(other)
    ]
    if not both:
        return None
    values = {
        name: [signed(getattr(side, name.lower()).value or 0.0) for side in (found.mixture, found.base, found.instruct)]
        for name in both
    }
    shown = ", ".join(f"{name} {mixture} against {base} and {tuned}" for name, (mixture, base, tuned) in values.items())
    return (
        f"half of base mixed into the tuned model's outputs is surely better than either model alone ({shown}): "
        "that is what smoothing towards base distils"
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
