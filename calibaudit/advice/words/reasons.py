"""Why an advice is given: the run's own numbers, with their side, in one sentence that follows `because`."""

from __future__ import annotations

from calibaudit.advice.mixture import State
from calibaudit.files.shown.card import count


def side(gap: float) -> str:
    """`confidence` then this: `exceeds accuracy by .118`, `falls short of accuracy by .154`, `equals accuracy`."""
    if number(gap) == ".000":
        return "equals accuracy"
    return f"{'exceeds' if gap > 0 else 'falls short of'} accuracy by {number(gap)}"


def smooth(tuned: State, mixed: State, weight: float) -> str:
    return (
        f"confidence {side(tuned.gap)}; with {share(weight)} of base mixed in, it {side(mixed.gap)} "
        f"(ECE {signed(tuned.ece)} → {signed(mixed.ece)}, accuracy {number(tuned.accuracy)} → {number(mixed.accuracy)})"
    )


def calibrated(tuned: State, tolerance: float, *, no_sign: bool, of: str = "") -> str:
    """of: what stands first, with a blank behind it."""
    found = f"{of}confidence {side(tuned.gap)} and ECE is {signed(tuned.ece)}"
    return f"{found}, no more than chance gives" if no_sign else f"{found}, both within {number(tolerance)}"


def by_chance(tuned: State, n_items: int) -> str:
    """Of an error that is no small one, on too few items to be told from none."""
    return f"confidence {side(tuned.gap)}, which may be chance in {n_items:,} items"


CEILING = "every task is at ceiling, where no repair could show"


def too_few(n_items: int) -> str:
    what = f"{count(n_items, 'item')}, in too few independent groups or too few at all,"
    return f"{what} support{'s' * (n_items == 1)} no conclusion about a repair"


def no_nearer(tuned: State) -> str:
    return f"confidence {side(tuned.gap)}, and mixing base in does not bring the two closer"


def base_fails(tuned: State, best: State, weight: float, margin: float | None) -> str:
    """margin: the |gap| that was asked for; None: as near as can be."""
    if abs(best.gap) >= abs(tuned.gap) - 0.0005:
        return no_nearer(tuned)
    wanted = "takes less than half of that away" if margin is None else f"does not bring it within {number(margin)}"
    return (
        f"confidence {side(tuned.gap)}, and base mixed in {wanted}: "
        f"with {share(weight)} of base it still {side(best.gap)}"
    )


def no_lower_ece(tuned: State, mixed: State, weight: float) -> str:
    return (
        f"confidence {side(tuned.gap)}; with {share(weight)} of base mixed in, it {side(mixed.gap)}, "
        f"but the calibration error does not fall (ECE {signed(tuned.ece)} → {signed(mixed.ece)})"
    )


def pilot_smooth(tuned: State, gap: float, n: int, margin: float, *, within: bool) -> str:
    """gap: of the run that is taken, of n with smoothing."""
    runs = f"of {n} smoothed pilot runs"
    start = f"with hard labels confidence {side(tuned.gap)}, with this factor it {side(gap)}"
    if within:
        return f"{start}; {runs} it is the smallest factor within {number(margin)} that is no worse otherwise"
    return f"{start}; {runs} none came within {number(margin)}, and this one came nearest without being worse"


def pilot_fails(tuned: State, n: int) -> str:
    return (
        f"with hard labels confidence {side(tuned.gap)}, and none of the {n} smoothed pilot runs came closer "
        "to right without being worse otherwise"
    )


def not_the_gap(tuned: State) -> str:
    """Of a model that is as sure as right on the whole, and not in its parts."""
    return (
        f"on the whole confidence {side(tuned.gap)}, but not at every confidence or on every task "
        f"(ECE {signed(tuned.ece)}), which mixing base in does not fix"
    )


def confidence(tuned: State) -> str:
    """The side alone, of a model that base could bring nearer too."""
    return f"confidence {side(tuned.gap)}"


def by_temperature(tuned: State, nll: float, ece: float, temperature: float) -> str:
    """nll, ece: of the scores divided by a temperature."""
    return (
        f"divided by {temperature:.2f} the scores fit better "
        f"(NLL {number(tuned.nll)} → {number(nll)}, ECE {signed(tuned.ece)} → {signed(ece)})"
    )


def leaves(above: str) -> str:
    """above: how the ECE that a temperature leaves stands to base's."""
    return f"that leaves ECE {above}, but nothing else that was measured is better"


NO_TEMPERATURE = "a temperature does not help either"


def share(weight: float) -> str:
    """`.44`, `1.00`."""
    return f"{weight:.2f}".removeprefix("0")


def number(value: float) -> str:
    """`.118`: the amount without its sign."""
    text = f"{abs(value):.3f}"
    return text[1:] if text.startswith("0.") else text


def signed(value: float) -> str:
    """`−.004` for an ECE whose noise's share was more than was found."""
    return ("−" if value < 0 and number(value) != ".000" else "") + number(value)
