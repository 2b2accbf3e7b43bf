"""The layers of a transformers network."""

from __future__ import annotations

from torch import nn


def layers_of(network: nn.Module) -> list[nn.Module]:
    """The blocks that transformers itself never splits over devices, the outermost ones; none, if it names none."""
    names = set(getattr(network, "_no_split_modules", None) or ())
    found: list[nn.Module] = []

    def look(module: nn.Module) -> None:
        for child in module.children():
            if any(kind.__name__ in names for kind in type(child).__mro__):
                found.append(child)
            else:
                look(child)

    look(network)
    return found
