"""The study's settings: which were chosen to be run, before any was.

    python -m benchmarks.studies.design

prints them as a table. A cell is a setting and a seed: a world, a base and an order of tuning of its own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from benchmarks.studies.tuning import Recipe
from benchmarks.studies.world import CPU, GPU, NARROW, TINY, Form, Scale

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Setting:
    """new: the share of new facts in what is taught. audited: the form in which is asked; the recipe's is the tuned
    one."""

    name: str
    hidden: int
    new: float
    audited: Form
    recipe: Recipe
    vocab: int = 2048
    scale: Scale = CPU

    @property
    def kind(self) -> str:
        length = "long" if self.recipe.long else "short"
        return f"free-form to letter, {length}" if self.audited != self.recipe.form else f"{self.audited}, {length}"


def _setting(
    number: int, hidden: int, thirds: int, kind: str, lr: float, epochs: int, batch: int, extra: str = ""
) -> Setting:
    form, length, audited = kind.split()
    recipe = Recipe(lr, epochs, batch, form, length == "long", extra == "LoRA", extra == "DPO")
    scale = CPU if hidden > 64 else NARROW
    return Setting(f"{number:02d}", hidden, thirds / 3, audited, recipe, scale=scale)


_PLAIN, _LONG, _LETTER, _PAPER = "cloze short cloze", "cloze long cloze", "letter short letter", "cloze long letter"

SETTINGS = (
    _setting(1, 128, 1, _PLAIN, 1e-3, 4, 32),
    _setting(2, 128, 0, _PLAIN, 1e-3, 4, 32),
    _setting(3, 128, 2, _PLAIN, 1e-3, 4, 32),
    _setting(4, 64, 1, _PLAIN, 1e-3, 8, 32),
    _setting(5, 128, 1, _PLAIN, 3e-4, 4, 32),
    _setting(6, 128, 2, _PLAIN, 2e-3, 8, 32),
    _setting(7, 128, 1, _PLAIN, 1e-3, 4, 8),
    _setting(8, 128, 1, _PLAIN, 1e-2, 4, 32, "LoRA"),
    _setting(9, 128, 1, _PLAIN, 1e-3, 4, 32, "DPO"),
    _setting(10, 128, 1, _LONG, 1e-3, 4, 32),
    _setting(11, 64, 2, _LONG, 1e-3, 8, 32),
    _setting(12, 128, 1, _LETTER, 1e-3, 4, 32),
    _setting(13, 128, 2, _LETTER, 1e-3, 8, 32),
    _setting(14, 128, 1, "letter long letter", 1e-3, 4, 32),
    _setting(15, 128, 1, _LETTER, 1e-3, 4, 32, "DPO"),
    _setting(16, 128, 1, _PAPER, 1e-3, 4, 32),
    _setting(17, 128, 2, _PAPER, 1e-3, 8, 32),
    _setting(18, 64, 2, _PAPER, 1e-3, 8, 32),
    _setting(19, 128, 2, _PAPER, 1e-2, 4, 32, "LoRA"),
    _setting(20, 128, 1, _PAPER, 1e-3, 4, 32, "DPO"),
)

_LARGE = Recipe(3e-4, 4, 64, "cloze", long=True)
_DEEP, _WIDE = GPU, dataclasses.replace(GPU, n_layers=4)
LARGE = {
    "v32k": (
        Setting("32k", 768, 1 / 3, "cloze", _LARGE, 32_768, _DEEP),
        Setting("32k-letter", 768, 1 / 3, "letter", _LARGE, 32_768, _DEEP),
    ),
    "v128k": (
        Setting("128k", 768, 1 / 3, "cloze", _LARGE, 128_256, _WIDE),
        Setting("128k-letter", 768, 1 / 3, "letter", _LARGE, 128_256, _WIDE),
    ),
}
"""By base: what is tuned from it. One base serves all its settings and seeds."""


def tiny(setting: Setting) -> Setting:
    """The same, small enough for a test."""
    return Setting(setting.name, 32, setting.new, setting.audited, setting.recipe, 256, TINY)


def row_of(setting: Setting) -> list[str]:
    recipe = setting.recipe
    extra = "LoRA" if recipe.lora else "then DPO" if recipe.dpo else ""
    return [setting.name, setting.kind, f"{setting.vocab:,}", f"{setting.hidden}", f"{setting.new:.2f}",
            f"{recipe.lr:g}", f"{recipe.epochs}", f"{recipe.batch}", extra]  # fmt: skip


HEAD = ["setting", "tuned and audited", "V", "hidden", "new facts", "rate", "epochs", "batch", "besides"]


def main() -> None:
    for row in [HEAD, ["---"] * len(HEAD), *map(row_of, [*SETTINGS, *LARGE["v32k"], *LARGE["v128k"]])]:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
