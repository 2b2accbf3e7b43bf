"""A linear head with made inputs, as the kernels take it and as the definition says what its logits are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from calibaudit.kernels.heads import Head, Needs


class HeadCase:
    """What the cases of every device share; they make the tensors. scale: logit_scale. eps: label_smoothing."""

    hidden: Tensor
    weight: Tensor
    bias: Tensor | None
    targets: Tensor
    upstream: Tensor
    n_vocab: int
    softcap: float | None
    scale: float
    eps: float

    @property
    def head(self) -> Head:
        return Head(self.weight, self.bias, self.softcap, self.scale, self.n_vocab)

    def needs(self, scratch: int) -> dict[str, Any]:
        needs = Needs(True, True, self.bias is not None)
        return {"label_smoothing": self.eps, "needs": needs, "scratch_bytes": scratch}

    def logits_of(self, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(N, n_vocab) in the dtype that the inputs have, then float32 or float64."""
        z = hidden @ weight[: self.n_vocab].T
        if bias is not None:
            z = z + bias[: self.n_vocab]
        z = z * self.scale
        if self.softcap is not None:
            z = self.softcap * torch.tanh(z / self.softcap)
        return z.to(torch.float64 if z.dtype == torch.float64 else torch.float32)
