"""How often the gate cries wolf, and how often it sees one.

    python -m benchmarks.gate [--quick] [--seed 0] [--samples 1.0] [--jobs 2]

World: the right one of K choices shifts its own Gaussian signal by d, so the posterior is known: a model that reports
it is calibrated, whatever its d. Baseline and candidate see signals that correlate by .7. Settings: d (accuracy), heat
(logits times it), shift (added to the top logit), wave (confidence moved up and down in turn); solved for, so that the
true 15-bin ECE is what the tables say. Groups: items that share their answer and .8 of the signal.
Even to high only: the posteriors of `inference.populations`, of equal ECE and equal gap.
Decided by the gate's own code: `gating.evidence.weigh` and `gating.decide`; the last table by `gating.gate` whole.
Prints Markdown tables; ends with exit code 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import multiprocessing
import sys
import time
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax
from scipy.stats import binom

from benchmarks.inference.pairs import drawn
from benchmarks.inference.populations import Population
from benchmarks.inference.populations import solved as solved_population
from calibaudit.analysis.samples import Row, items_of
from calibaudit.analysis.settings import Settings
from calibaudit.gating.evidence import weigh
from calibaudit.gating.verdict import Limits, decide, gate, shares
from calibaudit.metrics.binning import bin_index
from calibaudit.metrics.sample import Sample
from calibaudit.scores.scores import ModelInfo, Scores

N_BINS, N_TRUTH = 15, 200_000
LOW, HIGH = 0.016, 0.052
EVEN = (2.0, 0.9)
"""Of a posterior that leaves room above most items for an error of the surest alone."""
MODEL = ModelInfo("simulated", "0", "float64", "cpu", "none", 0, 0, "none")


@dataclass(frozen=True)
class Side:
    """One model. d: accuracy. heat, shift, wave: how what it reports differs from the posterior it knows."""

    d: float = 1.3
    heat: float = 1.0
    shift: float = 0.0
    wave: float = 0.0


@dataclass(frozen=True)
class Case:
    """Two models on n_tasks tasks of equal size; candidates[0] is the first task's, the last that of the others."""

    name: str
    base: Side | Population
    candidates: tuple[Side | Population, ...]
    n_choices: int = 4
    group: int = 1
    n_tasks: int = 1
    correlation: float = 0.7


def draw(n_items, case, candidate, rng):
    """((confidence, correct, chance of being right), probs, answer) of both sides."""
    k, m = case.n_choices, case.group
    n_groups = n_items // m
    answer = np.repeat(rng.integers(k, size=n_groups), m)
    shared = np.repeat(rng.normal(size=(n_groups, k)), m, axis=0)
    if m > 1:
        shared = np.sqrt(0.8) * shared + np.sqrt(0.2) * rng.normal(size=shared.shape)
    at = np.arange(len(answer))
    sides = []
    for side in (case.base, candidate):
        signal = np.sqrt(case.correlation) * shared + np.sqrt(1 - case.correlation) * rng.normal(size=shared.shape)
        signal[at, answer] += side.d
        odds = side.d * signal
        top = odds.argmax(axis=1)
        right = softmax(odds, axis=1)[at, top]
        reported = side.heat * odds
        reported[at, top] += side.shift
        probs = softmax(reported, axis=1)
        if side.wave:
            confidence = probs[at, top]
            moved = np.clip(confidence + side.wave * np.sin(3 * np.pi * confidence + np.pi / 4), 1 / k, 1)
            probs *= ((1 - moved) / np.maximum(1 - confidence, 1e-12))[:, None]
            probs[at, top] = moved
        sides.append((probs[at, top], top == answer, right, probs, answer))
    return sides


@functools.cache
def true_ece(side, n_choices):
    """(ECE, gap) of N_TRUTH items with the chance of being right in the answers' place."""
    case = Case("", side, (side,), n_choices)
    confidence, _, right, _, _ = draw(N_TRUTH, case, side, np.random.default_rng(0))[0]
    error = np.bincount(bin_index(confidence, N_BINS), confidence - right, N_BINS) / N_TRUTH
    return float(np.abs(error).sum()), float(error.sum())


@functools.cache
def solved(target, key, low, high, d=1.3, n_choices=4):
    """The Side of true ECE `target` whose `key` lies between low (calibrated) and high."""

    def miss(value):
        return true_ece(Side(d=d, **{key: value}), n_choices)[0] - target

    return Side(d=d, **{key: brentq(miss, low, high, xtol=1e-3)})


def sharp(target, **world):
    return solved(target, "heat", 1.0, 6.0, **world)


def dull(target, **world):
    return solved(target, "heat", 1.0, 0.2, **world)


def shifted(target, **world):
    return solved(target, "shift", 0.0, 3.0, **world)


def wavy(target, **world):
    return solved(target, "wave", 0.0, 0.12, **world)


def rows_of(n_items, case, candidate, rng, first):
    """Both sides' Row of one task, whose units are numbered from `first`."""
    if isinstance(case.base, Population):
        pair = drawn(case.base, candidate, n_items, rng)
        answer = np.zeros(n_items, dtype=np.int64)
        sides = [
            (np.exp(model.scores(np.minimum(confidence, 1 - 1e-9), correct, rng)), answer)
            for model, confidence, correct in zip((case.base, candidate), pair.confidence, pair.correct, strict=True)
        ]
    else:
        sides = [(probs, answer) for *_, probs, answer in draw(n_items, case, candidate, rng)]
    number = first + np.arange(len(sides[0][1]))
    unit = first + np.arange(len(sides[0][1])) // case.group
    return [Row(Sample(np.log(probs), answer, n_bins=N_BINS), unit, number, (first,)) for probs, answer in sides]


def alarmed(case, n_items, seed, limits):
    """Does the gate say `regressed` on this draw?"""
    rng = np.random.default_rng(seed)
    tasks, first = [], 0
    for task in range(case.n_tasks):
        candidate = case.candidates[0 if task == 0 else -1]
        tasks.append(rows_of(n_items // case.n_tasks, case, candidate, rng, first))
        first += n_items // case.n_tasks
    overall, each = shares(case.n_tasks, case.n_tasks)
    whole = weigh("all", *(items_of(side) for side in zip(*tasks, strict=True)), overall, limits.alpha)
    parts = [whole]
    if case.n_tasks > 1:
        parts = [
            weigh(str(i), items_of([old]), items_of([new]), each, limits.alpha) for i, (old, new) in enumerate(tasks)
        ]
    return decide(whole, parts, limits)[0] == "regressed"


def outcome(case, n_items, seed, limits):
    """What `gate` itself says, and the items it asks for."""
    rng = np.random.default_rng(seed)
    (_, _, _, old, answer), (_, _, _, new, _) = draw(n_items, case, case.candidates[0], rng)
    scores = [saved(probs, answer, case.group) for probs in (old, new)]
    verdict = gate([scores[0]], [scores[1]], limits, Settings())
    return verdict.outcome, verdict.n_to_settle


def saved(probs, answer, group):
    n, k = probs.shape
    ones = np.ones((n, k), dtype=np.int64)
    groups = None if group == 1 else tuple(str(i // group) for i in range(n))
    ids = tuple(map(str, range(n)))
    logprobs = np.log(np.maximum(probs, 1e-300))
    return Scores(
        "t", "1", "cloze", f"{n}", MODEL, False, ids, groups, logprobs, answer.astype(np.int64), ones, ones, ones
    )


def nulls():
    calibrated, less, far, more = Side(), Side(d=0.8), Side(d=4.0), Side(d=2.0)
    cases = []
    for k in (2, 4, 10):
        over, under = sharp(HIGH, n_choices=k), dull(HIGH, n_choices=k)
        cases += [
            Case("calibrated pair", calibrated, (calibrated,), k),
            Case("calibrated, less accurate", calibrated, (less,), k),
            Case("under- to overconfident, same ECE", under, (over,), k),
        ]
    over, under, wave = sharp(HIGH), dull(HIGH), wavy(HIGH)
    cases += [
        Case("calibrated, nearly the same model", calibrated, (calibrated,), correlation=0.95),
        Case("calibrated, far less accurate", far, (calibrated,), correlation=0.3),
        Case("calibrated, more accurate", calibrated, (more,)),
        Case("both sharpened alike", over, (over,)),
        Case("both sharpened, less accurate", over, (sharp(HIGH, d=0.8),)),
        Case("shifted to sharpened, same ECE", shifted(HIGH), (over,)),
        Case("over- to underconfident, same ECE", over, (under,)),
        Case("underconfident to calibrated", under, (calibrated,)),
        Case("sharpened to waves, same ECE", over, (wave,)),
        Case("groups of 5: calibrated, less accurate", calibrated, (less,), group=5),
        Case("groups of 5: under- to overconfident", under, (over,), group=5),
        Case("groups of 10: under- to over-, near models", under, (over,), group=10, correlation=0.9),
        Case("8 tasks: calibrated, less accurate", calibrated, (less,), n_tasks=8),
        Case("8 tasks: under- to overconfident", under, (over,), n_tasks=8),
    ]
    for ece, above in ((0.05, 0.7), (0.08, 0.65), (0.10, 0.65)):
        even = solved_population(EVEN, "over", ece)
        high = solved_population(EVEN, "top", ece, above=above)
        cases.append(Case(f"even to high only, ECE and gap {text(ece)}", even, (high,)))
        cases.append(Case(f"high only to even, ECE and gap {text(ece)}", high, (even,)))
    return cases


def alternatives():
    cases = [Case("sharpened", sharp(LOW, n_choices=k), (sharp(HIGH, n_choices=k),), k) for k in (2, 4, 10)]
    calibrated, over = sharp(LOW), sharp(HIGH)
    return [
        *cases,
        Case("sharpened, near models", calibrated, (over,), correlation=0.9),
        Case("sharpened, less accurate", calibrated, (sharp(HIGH, d=0.8),)),
        Case("shifted", shifted(LOW), (shifted(HIGH),)),
        Case("underconfident", dull(LOW), (dull(HIGH),)),
        Case("waves (no gap)", wavy(LOW), (wavy(HIGH),)),
        Case("groups of 5: sharpened", calibrated, (over,), group=5),
        Case("8 tasks: all sharpened", calibrated, (over,), n_tasks=8),
        Case("8 tasks: one of them, to .150", calibrated, (sharp(0.150), calibrated), n_tasks=8),
    ]


def run(pool, judge, case, n_items, n_samples, seed, limits):
    seeds = [[seed, n_items, sum(map(ord, case.name)), case.n_choices, i] for i in range(n_samples)]
    work = functools.partial(judge, case, n_items, limits=limits)
    return pool.map(work, seeds, chunksize=max(1, n_samples // 16))


def rates_table(pool, title, cases, sizes, options, limits):
    """One line a case: the alarm rate in % with its standard error, by number of items. Returns the rates."""
    print(f"\n{title}\n\n| | K | {' | '.join(f'N = {n:,}' for n in sizes)} |\n| --- | --- |" + " --- |" * len(sizes))
    found = {}
    for case in cases:
        cells = []
        for n_items, n_samples in sizes.items():
            if case.n_tasks > 1 and n_items // case.n_tasks < limits.min_items:
                cells.append("–")
                continue
            n = max(50, round(n_samples * options.samples))
            rate = float(np.mean(run(pool, alarmed, case, n_items, n, options.seed, limits)))
            found[case.name, case.n_choices, n_items] = (rate, n)
            cells.append(f"{100 * rate:.1f} ± {100 * np.sqrt(max(rate * (1 - rate), 1 / n / 4) / n):.1f}")
        print(f"| {case.name} | {case.n_choices} | {' | '.join(cells)} |", flush=True)
    return found


def outcomes_table(pool, sizes, options, limits):
    """What gate says by the true change: regressed, passed, inconclusive, and the median of the items asked for."""
    print("\nWhat `gate` says, in %: regressed / passed / inconclusive (median of the items it asks for then)\n")
    print(f"| true ECE | {' | '.join(f'N = {n:,}' for n in sizes)} |\n| --- |" + " --- |" * len(sizes))
    for low, high in ((0.0, 0.0), (HIGH, HIGH), (0.0, 0.01), (0.0, 0.02), (0.0, 0.03), (0.0, 0.04), (HIGH, 0.072)):
        base, candidate = (sharp(ece) if ece else Side() for ece in (low, high))
        case = Case(f"{low}-{high}", base, (candidate,))
        cells = []
        for n_items, n_samples in sizes.items():
            said = run(pool, outcome, case, n_items, max(20, round(n_samples * options.samples)), options.seed, limits)
            shares = [100 * np.mean([kind == k for kind, _ in said]) for k in ("regressed", "passed", "inconclusive")]
            asked = [items for kind, items in said if kind == "inconclusive" and items]
            more = f" ({np.median(asked):,.0f})" if asked else ""
            cells.append(f"{' / '.join(f'{share:.0f}' for share in shares)}{more}")
        print(f"| {text(low)} → {text(high)} | {' | '.join(cells)} |", flush=True)


def text(ece):
    return f"{ece:.3f}".lstrip("0") or "0"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute: fewer samples and sizes")
    parser.add_argument("--samples", type=float, default=1.0, help="times the samples of each cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--margin", type=float, default=Limits().margin)
    parser.add_argument("--alpha", type=float, default=Limits().alpha)
    options = parser.parse_args()
    limits = dataclasses.replace(Limits(), margin=options.margin, alpha=options.alpha)
    started = time.monotonic()
    null_cases, real_cases = nulls(), alternatives()
    for name, side in {s.name: s.candidates[0] for s in real_cases if s.n_choices == 4}.items():
        ece, gap = true_ece(side, 4)
        print(f"{name}: true ECE {ece:.4f}, gap {gap:+.4f}")
    sizes = {100: 1000, 500: 1000, 2000: 1000, 10_000: 400}
    power_sizes = {250: 600, 1000: 1000, 2000: 1000, 4000: 300, 10_000: 100}
    outcome_sizes = {500: 200, 2000: 200, 5000: 100, 14_000: 80}
    if options.quick:
        sizes, power_sizes, outcome_sizes = {2000: 100}, {1000: 100, 2000: 100}, {2000: 20}
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        found = rates_table(
            pool, "False alarms, %: the true ECE and |gap| are not worse", null_cases, sizes, options, limits
        )
        power = rates_table(
            pool, f"Power, %: true ECE {text(LOW)} → {text(HIGH)}", real_cases, power_sizes, options, limits
        )
        outcomes_table(pool, outcome_sizes, options, limits)
    missed = [
        f"{name}, K = {k}, N = {n:,}: {100 * rate:.1f} % false alarms"
        for (name, k, n), (rate, samples) in found.items()
        if rate > limits.alpha + 3 * np.sqrt(limits.alpha * (1 - limits.alpha) / samples)
    ]
    for n_items, bar in ((1000, 0.45), (2000, 0.80)):
        rate, samples = power["sharpened", 4, n_items]
        if binom.cdf(rate * samples, samples, bar) < 0.025:
            missed.append(f"power at N = {n_items:,} is {100 * rate:.1f} %, not {100 * bar:.0f}")
    print(
        f"\n{time.monotonic() - started:.0f} s. "
        + ("Bars missed: " + "; ".join(missed) if missed else "All bars held.")
    )
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
