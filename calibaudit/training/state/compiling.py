"""A network's layers run by torch.compile: fewer passes over memory, and activations made anew instead of kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from calibaudit.training.state.layers import layers_of


@contextmanager
def compiled_layers(network: Any) -> Iterator[None]:
    """Within, each layer's own forward is compiled, once for all that are alike; hooks around it run as they are.

    Rows of another width are compiled once more, with the width as a variable.
    """
    layers = layers_of(network)
    own = [(layer, layer.__dict__.get("forward")) for layer in layers]
    for layer in layers:
        layer.forward = torch.compile(layer.forward)
    try:
        yield
    finally:
        for layer, forward in own:
            del layer.forward
            if forward is not None:
                layer.forward = forward
