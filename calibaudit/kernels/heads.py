"""What every implementation of the head's passes takes and gives: chunked, Triton and the float64 reference alike.

Their functions, where these letters hold: hidden (N, D) and prior_hidden (N, D') are rows under their heads, targets
int64 ids below n_vocab with -100 where ignored, lse, prior_lse and upstream (N,) float32. All is in nats.

    head_forward(hidden, head, targets, *, top, mean) -> HeadForward, targets (N, K)
    head_backward(hidden, head, targets, lse, upstream, *, label_smoothing, needs, scratch_bytes) -> Gradients
    anchored_forward(hidden, head, prior_hidden, prior, targets) -> AnchoredForward
    anchored_backward(hidden, head, prior_hidden, prior, targets, lse, prior_lse, upstream, *, …) -> Gradients
    head_loss_gradients(hidden, head, targets, upstream, *, …, rounded) -> (HeadForward, Gradients), targets (N,)
    anchored_loss_gradients(hidden, head, prior_hidden, prior, targets, upstream, *, …) -> (AnchoredForward, Gradients)
    keeps(hidden, heads, needs, scratch_bytes, *, rounded) -> bool: whether these two save products over one pass each
    scale_by(tensors, factor): in place, factor one number on their device; for a factor of 1 nothing is read or written

With q uniform over the n_vocab tokens, or anchored: the softmax of the prior head's logits, a row's loss is
lse(z) - (1 - eps) z_y - eps sum_v q_v z_v, eps = label_smoothing, and dz = p - (1 - eps) 1_y - eps q. The gradients are
those of sum_n upstream[n] * loss[n], upstream 0 on ignored rows; the prior gets none. scratch_bytes: about what may be
held beyond inputs and results. rounded: the head's weight is float32 and hidden is not; it is rounded to hidden's dtype
for the products, and its gradient is float32.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Head(NamedTuple):
    """A linear head: z = (W h + bias) * logit_scale, then softcap * tanh(z / softcap).

    weight: (rows, D), of which the first n_vocab count; those past it are padding, never seen. bias: (rows,) or None.
    """

    weight: Tensor
    bias: Tensor | None
    softcap: float | None
    logit_scale: float
    n_vocab: int


class Needs(NamedTuple):
    """Which gradients are wanted; that of the bias only where the head has one."""

    hidden: bool
    weight: bool
    bias: bool


class Gradients(NamedTuple):
    """By hidden, weight and bias, each in the shape and dtype of its tensor; None for one not needed.

    Rows of weight and bias from n_vocab on get 0.
    """

    hidden: Tensor | None
    weight: Tensor | None
    bias: Tensor | None


class HeadForward(NamedTuple):
    """What one pass over the vocabulary leaves of each row's logits z (after scale and softcap), in nats, float32.

    lse: (N,) log-sum-exp. target_logit: (N, K); 0 where the target is -100.
    top_logit: (N,) and top_token: (N,) int64, the lowest id wins a tie; None unless asked for.
    mean_logit: (N,) sum of the row's logits / their number; None unless asked for.
    """

    lse: Tensor
    target_logit: Tensor
    top_logit: Tensor | None
    top_token: Tensor | None
    mean_logit: Tensor | None


class AnchoredForward(NamedTuple):
    """The same of two heads: the student's z and the prior's u, with q = softmax(u); (N,) float32, in nats.

    lse: of z. target_logit: z at the target; 0 where it is -100. prior_lse: of u. prior_mean_logit: sum_v q_v z_v.
    """

    lse: Tensor
    target_logit: Tensor
    prior_lse: Tensor
    prior_mean_logit: Tensor
