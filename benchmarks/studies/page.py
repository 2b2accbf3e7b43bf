"""The page of the study: `page.txt` beside this with the numbers of its CSV.

    python -m benchmarks.studies.page docs/studies/repairs.csv > docs/studies.md

A name in braces in the text is a number of `numbers_of`, or a table.
"""

from __future__ import annotations

import argparse
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.studies.cells import ALL, Cell, cells_of, passes
from benchmarks.studies.design import LARGE
from benchmarks.studies.intervals import shown
from benchmarks.studies.repairs import ALPHAS, KEPT
from benchmarks.studies.tables import (
    KINDS,
    PAIRS,
    SMALL,
    chosen,
    difference,
    ending,
    failures,
    over,
    regret,
    sizes,
    small,
    tunings,
    two,
)

TEXT = Path(__file__).with_name("page.txt")
WHEN = {
    "temperature": "always safe: the first to try",
    "merge, temperature": "if accuracy and NLL matter too, and no preferences were tuned",
    "merge": "audits by cloze; not by letters",
    "aligned": "without labels",
    "0.5, tried": "if `--data` is all that tuning used and a run is affordable",
    "stack, tried": "the same, from the mixture's factor",
    "pilot": "never: four runs for the result of one",
    "known only 0.5": "hardly ever",
    "uniform 0.1": "if base is not at hand, and answers are not letters with a tail",
    "softcap 16": "not here",
    "scale 4": "not here",
    "auto": "the order temperature, merge, `stack, tried`",
    "hard labels": "no repair",
}
"""The methods on the page, each with when it is worth it."""
SCORINGS = {name: f"no training, {len(ALPHAS)} scorings" for name in ("merge", "merge, temperature")}


def short(name: str) -> str:
    return name.replace(",", "").replace(" ", "_").replace(".", "_")


def plain(value: float) -> str:
    return shown(float(value))


def answers_table(cells: Sequence[Cell]) -> str:
    head = [
        "repair",
        "when",
        "regret in ECE",
        "regret in NLL",
        "accuracy",
        "below .95 kept",
        "after preferences",
        "cost",
    ]
    rows = [head, ["---"] * len(head)]
    without, with_it = two(cells)
    for name, when in WHEN.items():
        gained = over(cells, lambda c, name=name: chosen(name, c).run["proof_accuracy"] - c.hard["proof_accuracy"])
        cost = tunings(name, cells)
        rows.append([
            f"`{name}`", when, str(regret(name, cells, "proof_ece")), str(regret(name, cells, "proof_nll")),
            f"{'+' if gained.value > 0.0005 else ''}{shown(gained.value)}",
            *(f"{failures(name, part)} of {len(part)}" for part in (without, with_it)),
            f"{cost:.1f} tunings" if cost else SCORINGS.get(name, "no training"),
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def kinds_table(cells: Sequence[Cell]) -> str:
    groups = [(kind, small(cells, kind)) for kind in KINDS]
    rows = [["method", *(f"{kind}, n = {len(group)}" for kind, group in groups)], ["---"] * (1 + len(groups))]
    for name in WHEN:
        values = [[chosen(name, cell).run["proof_ece"] for cell in group] for _, group in groups]
        rows.append([f"`{name}`", *(plain(np.mean(found)) for found in values)])
    rows.append(["base", *(plain(np.mean([cell.runs["base"]["proof_ece"] for cell in group])) for _, group in groups)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def large_table(cells: Sequence[Cell]) -> str:
    names = [one.name for group in LARGE.values() for one in group if one.name in {cell.setting for cell in cells}]
    groups = [[cell for cell in cells if cell.setting == name] for name in names]
    head = [f"{name}, n = {len(group)}" for name, group in zip(names, groups, strict=True)]
    rows = [["ECE / accuracy", *head], ["---"] * (1 + len(names))]
    for name in ("base", *WHEN):
        row = [name if name == "base" else f"`{name}`"]
        for group in groups:
            found = [cell.runs["base"] if name == "base" else chosen(name, cell).run for cell in group]
            row.append(" / ".join(plain(np.mean([run[m] for run in found])) for m in ("proof_ece", "proof_accuracy")))
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def numbers_of(cells: Sequence[Cell]) -> dict[str, str]:
    """Every number that the text may name. `ece_`, `nll_`: means over cells; `regret_`, `nllregret_`; `d_A__B`,
    `dn_A__B`: paired differences in ECE and NLL with intervals; `gain_`: accuracy above that of hard labels."""
    mine = small(cells)
    without, with_it = two(mine)
    large = [cell for cell in cells if cell not in mine]
    found = {"n_cells": f"{len(mine)}", "n_settings": f"{len({c.setting for c in mine})}", "sizes": sizes(mine)}
    found |= {"n_large": f"{len(large)}", "large_sizes": sizes(large), "n_preferences": f"{len(with_it)}"}
    for name in ALL:
        key = short(name)
        for metric in ("ece", "nll", "accuracy"):
            found[f"{metric}_{key}"] = plain(np.mean([chosen(name, c).run[f"proof_{metric}"] for c in mine]))
        found[f"gain_{key}"] = str(
            over(mine, lambda c, name=name: chosen(name, c).run["proof_accuracy"] - c.hard["proof_accuracy"])
        )
        found[f"regret_{key}"] = str(regret(name, mine, "proof_ece"))
        found[f"nllregret_{key}"] = str(regret(name, mine, "proof_nll"))
        found[f"fails_{key}"] = f"{failures(name, without)}"
        found[f"failsafter_{key}"] = f"{failures(name, with_it)}"
        found[f"passes_{key}"] = f"{sum(passes(c, chosen(name, c).run) for c in mine)}"
        for kind in KINDS:
            group = small(cells, kind)
            place = short(kind).replace("-", "_")
            found[f"ece_{key}_{place}"] = plain(np.mean([chosen(name, c).run["proof_ece"] for c in group]))
    for one, other in PAIRS:
        key = f"{short(one)}__{short(other)}"
        found[f"d_{key}"] = str(difference(one, other, mine, "proof_ece"))
        found[f"dn_{key}"] = str(difference(one, other, mine, "proof_nll"))
    return found | counts_of(cells, mine) | large_numbers(cells)


def counts_of(cells: Sequence[Cell], mine: Sequence[Cell]) -> dict[str, str]:
    base, hard = ([c.runs[name] for c in mine] for name in ("base", "hard"))
    settings = sorted({c.setting for c in mine})
    new = [name for name in settings if SMALL[name].new]
    found = {f"base_{m}": plain(np.mean([run[f"proof_{m}"] for run in base])) for m in ("ece", "nll", "accuracy")}
    found["base_most"] = plain(max(run["proof_ece"] for run in base))
    found["worse_than_base"] = f"{sum(b['proof_ece'] < h['proof_ece'] for b, h in zip(base, hard, strict=True))}"
    for what in ("proof", "known", "new"):
        rises = {
            name: np.mean(
                [c.hard[f"{what}_accuracy"] - c.runs["base"][f"{what}_accuracy"] for c in mine if c.setting == name]
            )
            for name in new
        }
        found[f"rises_{what}"] = f"{sum(rise > 0 for rise in rises.values())}"
        direct = [r for name, r in rises.items() if SMALL[name].audited == SMALL[name].recipe.form]
        paper = [r for name, r in rises.items() if SMALL[name].audited != SMALL[name].recipe.form]
        found[f"rise_{what}_direct"], found[f"rise_{what}_paper"] = plain(np.mean(direct)), plain(np.mean(paper))
        found[f"rises_{what}_direct"], found["n_direct"] = f"{sum(r > 0 for r in direct)}", f"{len(direct)}"
        found[f"rises_{what}_paper"], found["n_paper"] = f"{sum(r > 0 for r in paper)}", f"{len(paper)}"
    found |= {"n_new": f"{len(new)}", "n_without": f"{len(two(mine)[0])}"}
    mixed = [chosen("outputs mixed by .5", c).run["proof_accuracy"] for c in mine]
    found["mixed_above_hard"] = f"{sum(m > c.hard['proof_accuracy'] for m, c in zip(mixed, mine, strict=True))}"
    found["mixed_above_both"] = str(
        sum(
            m > max(c.hard["proof_accuracy"], c.runs["base"]["proof_accuracy"])
            for m, c in zip(mixed, mine, strict=True)
        )
    )
    without, _ = two(mine)
    for name in ("base 0.3", "base 0.5", "base 0.7"):
        found[f"kept_{short(name)}"] = f"{sum(c.kept(c.runs[name]) >= KEPT for c in without)}"
    for alpha in ("0.1", "0.3", "0.5", "0.6"):
        found[f"merge_below_{short(alpha)}"] = f"{sum(c.kept(c.runs[f'merge {alpha}']) < KEPT for c in without)}"
    found["overshoots"] = str(
        sum(c.runs["aligned"]["temperature"] > c.runs["temperature"]["temperature"] for c in mine)
    )
    ends = Counter(ending(chosen("auto", c).run["run"]) for c in mine)
    found |= {f"auto_{name}": f"{ends[name]}" for name in ("temperature", "merge", "base", "hard")}
    found["auto_trained"] = f"{sum(bool(chosen('auto', c).trained) for c in mine)}"
    paper = [c for c in mine if SMALL[c.setting].audited != SMALL[c.setting].recipe.form]
    found["auto_hard_paper"] = f"{sum(chosen('auto', c).run['run'] == 'hard' for c in paper)}"
    found["n_paper_cells"] = f"{len(paper)}"
    gaps = {
        name: np.mean([c.hard["known_gap"] for c in paper if c.setting == name]) for name in {c.setting for c in paper}
    }
    found["under_paper"] = f"{sum(gap < 0 for gap in gaps.values())}"
    again = [
        (c, run)
        for c in two(mine)[1]
        for run in c.runs.values()
        if run["seconds"] and run["run"] not in ("base", "hard")
    ]
    found["again"], found["again_kept"] = f"{len(again)}", f"{sum(c.kept(run) >= KEPT for c, run in again)}"
    picked = [chosen("merge, temperature", c).run["run"].split(",")[0].split() for c in mine]
    weights = [float(words[1]) if words[0] == "merge" else 0.0 for words in picked]
    found["alpha_mean"] = plain(np.mean(weights))
    actions = Counter(c.hard["stack_action"] for c in mine)
    found |= {f"stack_{name}": f"{actions[name]}" for name in ("smooth", "temperature", "nothing_known", "none_needed")}
    factors = [c.hard["stack_weight"] for c in mine if c.hard["stack_action"] == "smooth"]
    found |= {
        "stack_mean": plain(np.mean(factors)),
        "stack_least": plain(min(factors)),
        "stack_most": plain(max(factors)),
    }
    for kind in KINDS:
        group, place = small(cells, kind), short(kind).replace("-", "_")
        lower = [c for c in group if c.runs["uniform 0.1"]["proof_ece"] < c.hard["proof_ece"]]
        found |= {f"n_{place}": f"{len(group)}", f"uniform_lower_{place}": f"{len(lower)}"}
        found[f"uniform_fails_{place}"] = f"{failures('uniform 0.1', group)}"
        found[f"base_ece_{place}"] = plain(np.mean([c.runs["base"]["proof_ece"] for c in group]))
    return found


def large_numbers(cells: Sequence[Cell]) -> dict[str, str]:
    """`uniform_share_`: of the ECE that tuning adds, what uniform 0.1 takes away."""
    found = {}
    for name in ("32k", "128k"):
        group = [c for c in cells if c.setting == name]
        if group:
            base, hard, smoothed = (
                np.mean([c.runs[run]["proof_ece"] for c in group]) for run in ("base", "hard", "uniform 0.1")
            )
            found[f"uniform_share_{name}"] = f"{100 * (hard - smoothed) / (hard - base):.0f} %"
            found[f"seeds_{name}"] = f"{len(group)}"
    return found


def page(path: Path) -> str:
    cells = cells_of(path)
    mine = small(cells)
    tables = {"answers": answers_table(mine), "kinds": kinds_table(cells), "large": large_table(cells)}
    text = TEXT.read_text(encoding="utf-8").format_map(numbers_of(cells) | tables)
    return "\n\n".join(map(filled, text.rstrip("\n").split("\n\n"))) + "\n"


def filled(block: str) -> str:
    """Prose in lines of one width, now that numbers stand in it; anything else as it is."""
    if block.startswith(("|", "#", "```", "- ", "1. ")):
        return block
    return textwrap.fill(block, 120, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    print(page(parser.parse_args().results), end="")


if __name__ == "__main__":
    main()
