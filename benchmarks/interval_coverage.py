"""How often the 95 % intervals hold the true value, against the percentile and the basic bootstrap.

    python benchmarks/interval_coverage.py [--items 250 1000 4000] [--samples 300 300 120] [--resamples 300]
        [--world sharpened|waves] [--metrics ece mce ...]

World `sharpened`: the right one of four choices shifts its own Gaussian signal by 1.3, so the posterior is known; the
model reports it with its logits times a setting (1: calibrated; more: overconfident). A pair sees signals that
correlate by .7. World `waves`: over- and underconfident in turn, by a setting (0: calibrated), with no gap. The truth
is each metric of 200,000 items with the chance of being right in the place of the answers, so free of noise.
Prints Markdown tables: the coverage of percentile, basic and **calibaudit**, and (its mean width).
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.special import softmax

from calibaudit.metrics.binning import bin_columns, bin_index, bin_totals
from calibaudit.metrics.calibration_error import adaptive_ece_rows, ece_rows, mce_rows, rms_ce_rows
from calibaudit.metrics.intervals import change_interval, interval
from calibaudit.metrics.ranking import TieBlocks
from calibaudit.metrics.replicates import WeightedSample
from calibaudit.metrics.resampling import bootstrap_weights
from calibaudit.metrics.smooth import smooth_ece_rows

SHIFT, CORRELATION, N_TRUTH, N_BINS = 1.3, 0.7, 200_000, 15
NAMES = ("gap", "ece", "ece_adaptive", "smooth_ece", "rms_ce", "ece_debiased", "mce")
METHODS = ("percentile", "basic", "calibaudit")


def draw_sharpened(n_items, pair, rng):
    """Each side's (scores, answer, chance that its top choice is right)."""
    answer = rng.integers(4, size=n_items)
    shared = rng.normal(size=(n_items, 4))
    sides = []
    for sharpness in pair:
        signal = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * rng.normal(size=(n_items, 4))
        signal[np.arange(n_items), answer] += SHIFT
        odds = SHIFT * signal
        right = softmax(odds, axis=1)[np.arange(n_items), odds.argmax(axis=1)]
        sides.append((sharpness * odds, answer, right))
    return sides


def draw_waves(n_items, pair, rng):
    """Two choices; accuracy runs in a wave of this height about the confidence, so the gap stays near 0."""
    confidence = 0.5 + 0.5 * rng.beta(1.2, 1.2, size=n_items)
    luck = rng.random(n_items)
    sides = []
    for height in pair:
        right = np.clip(confidence + height * np.sin(4 * np.pi * (confidence - 0.5)), 0, 1)
        scores = np.log(np.column_stack([confidence, 1 - confidence + 1e-12]))
        sides.append((scores, (luck >= right).astype(int), right))
    return sides


WORLDS = {
    "sharpened": (draw_sharpened, ((1.0, 1.0), (1.0, 1.25), (1.0, 1.6), (1.25, 2.2))),
    "waves": (draw_waves, ((0.0, 0.0), (0.0, 0.05), (0.0, 0.12))),
}


def truth(draw, setting):
    scores, _, right = draw(N_TRUTH, (setting, setting), np.random.default_rng(0))[0]
    confidence = softmax(scores, axis=1).max(axis=1)
    weights = np.ones((1, N_TRUTH))
    totals = bin_totals(weights, bin_columns(bin_index(confidence, N_BINS), confidence, right, N_BINS))
    values = {
        "gap": (confidence - right).mean(),
        "ece": ece_rows(totals)[0],
        "ece_adaptive": adaptive_ece_rows(weights, TieBlocks.of(confidence), right - confidence, N_BINS)[0],
        "smooth_ece": smooth_ece_rows(weights, confidence, right - confidence)[0],
        "rms_ce": rms_ce_rows(totals)[0],
        "ece_debiased": rms_ce_rows(totals)[0],
        "mce": mce_rows(totals)[0],
    }
    return {name: float(value) for name, value in values.items()}


def bootstrap(scores, answer, weights, names):
    sample = WeightedSample(scores, answer, n_bins=N_BINS)
    names = {"accuracy", "confidence", "rms_ce", *names}
    return sample.point(names), sample.replicate(weights, names)


def methods_of(name, point, replicates, n):
    low, high = np.quantile(replicates[name], [0.025, 0.975])
    basic = (2 * point[name] - high, 2 * point[name] - low)
    if name != "gap":
        basic = tuple(max(0.0, end) for end in basic)
    return {
        "percentile": (low, high),
        "basic": basic,
        "calibaudit": interval(name, point, replicates, n_units=n),
    }


def methods_of_change(name, sides, n):
    (before, before_replicates), (after, after_replicates) = sides
    change = after[name] - before[name]
    low, high = np.quantile(after_replicates[name] - before_replicates[name], [0.025, 0.975])
    return {
        "percentile": (low, high),
        "basic": (2 * change - high, 2 * change - low),
        "calibaudit": change_interval(name, before, after, before_replicates, after_replicates, n_units=n),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[250, 1000, 4000])
    parser.add_argument("--samples", type=int, nargs="+", default=[300, 300, 120])
    parser.add_argument("--resamples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--world", choices=list(WORLDS), default="sharpened")
    parser.add_argument("--metrics", choices=NAMES, nargs="+", default=NAMES)
    options = parser.parse_args()
    names = options.metrics
    if len(options.items) != len(options.samples):
        parser.error("--samples needs one number for each of --items")
    draw, pairs = WORLDS[options.world]
    true = {setting: truth(draw, setting) for setting in sorted({s for pair in pairs for s in pair})}
    one, two = [], []
    for n, n_samples in zip(options.items, options.samples, strict=True):
        for pair in pairs:
            hits, change_hits = {}, {}
            for draw_number in range(n_samples):
                rng = np.random.default_rng([options.seed, n, round(100 * pair[0]), round(100 * pair[1]), draw_number])
                drawn = draw(n, pair, rng)
                weights = np.vstack(list(bootstrap_weights(n, options.resamples, rng)))
                sides = [bootstrap(scores, answer, weights, names) for scores, answer, _ in drawn]
                for name in names:
                    for method, (low, high) in methods_of(name, *sides[1], n).items():
                        value = true[pair[1]][name]
                        hits.setdefault((name, method), []).append((low <= value <= high, high - low))
                    for method, (low, high) in methods_of_change(name, sides, n).items():
                        value = true[pair[1]][name] - true[pair[0]][name]
                        change_hits.setdefault((name, method), []).append((low <= value <= high, high - low))
            for name in names:
                one.append((n, pair[1], name, true[pair[1]][name], hits))
                two.append((n, pair, name, true[pair[1]][name] - true[pair[0]][name], change_hits))
            print(f"{n} items, setting {pair}: done", flush=True)
    table("One model", one, options.items)
    table("Change, before -> after", two, options.items)


def table(title, rows, items):
    """One line per metric and sharpness; per N the coverage of percentile, basic and ours, and our mean width."""
    print(f"\n{title}\n\n| metric | setting | true | {' | '.join(f'N = {n:,}' for n in items)} |")
    print("| --- | --- | --- |" + " --- |" * len(items))
    cells = {}
    for n, sharpness, name, value, hits in rows:
        label = f"{sharpness[0]:g} -> {sharpness[1]:g}" if isinstance(sharpness, tuple) else f"{sharpness:g}"
        covered = {method: np.mean(hits[name, method], axis=0) for method in METHODS}
        shares = [f"{share:.2f}" for share, _ in covered.values()]
        cells[NAMES.index(name), label, f"{value:.3f}", n] = (
            f"{shares[0]} {shares[1]} **{shares[2]}** ({covered['calibaudit'][1]:.3f})"
        )
    for key in sorted({key[:3] for key in cells}):
        line = " | ".join(cells[(*key, n)] for n in items)
        print(f"| {NAMES[key[0]]} | {key[1]} | {key[2]} | {line} |")


if __name__ == "__main__":
    main()
