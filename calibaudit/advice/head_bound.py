"""How sure an output head can be at all, from its weights: what label smoothing cannot hold back.

Logits are z = W h. The norm before the head fixes how long h can be: h = gain * u + shift with |u| <= sqrt(D). So no
token's logit can exceed the mean of the others by more than a reach that its own row sets, and with V - 1 others
sharing what is left, no hidden state gives token y more than

    p_y <= 1 / (1 + (V - 1) exp(-reach_y)),

because log-sum-exp is at least log(V - 1) plus the mean. Smoothing with factor epsilon asks for the confidence
1 - epsilon; a head whose tokens end below that feels smoothed and hard labels alike: both only pull upwards.

That smoothing loses its effect where the vocabulary is large and the hidden state small, because of how over-confident
such a head can become, is the thought of Huang, Lu, Zeng 2025 (arXiv 2508.00264); the bound through a norm is that of
Zhai et al. 2023 (arXiv 2303.06296, theorem 3.1); the bound through rows is derived above.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from torch import Tensor

    from calibaudit.models.checkpoints import Checkpoint

FILE = "heads.jsonl"
"""Where bounds are kept, below the cache's folder."""

FORMAT = 1
"""To be raised when what is computed changes."""

_NEGLIGIBLE = 1e-3
_CHUNK = 1 << 24  # weights taken to float32 at a time


@dataclass(frozen=True)
class HeadBound:
    """What no hidden state that the final norm can give takes the head beyond.

    reach: the largest excess of a token's logit over the mean of the others, in nats; of the median token.
    median_prob, top_prob: the probability that half of the tokens, and that all of them, cannot exceed, in [0, 1].
    least_entropy: of the next-token distribution, in nats.
    """

    vocab_size: int
    hidden_size: int
    reach: float
    median_prob: float
    top_prob: float
    least_entropy: float


def bound_warning(bound: HeadBound, epsilon: float) -> str | None:
    """The sentence for a head that cannot be as sure as smoothing by `epsilon` asks, with the factor on the logits that
    would let it; None for one that can.

    The threshold is the derivation's own: the median token's bound against the confidence 1 - epsilon.
    """
    if epsilon <= 0 or bound.median_prob >= 1 - epsilon:
        return None
    return (
        f"a vocabulary of {bound.vocab_size:,} over a hidden size of {bound.hidden_size:,}: with these norms half of "
        f"the tokens cannot get more than {bound.median_prob:.2g} of the probability, and smoothing of {epsilon:g} "
        f"asks for {1 - epsilon:.2g}: such smoothing pulls upwards like hard labels, and may not hold confidence back"
        f"{_way_out(bound, epsilon)}"
    )


def scale_needed(bound: HeadBound, epsilon: float) -> float | None:
    """The factor on all logits with which the median token's bound is 1 - epsilon; None where no factor does that.

    All logits times s, a softcap scaled along, have s times the reach, and p <= 1 / (1 + (V - 1) exp(-s reach)). A
    softcap put around the logits only takes from the reach.
    """
    if bound.reach <= 0 or not 0 < epsilon < 1:
        return None
    return (math.log(max(1, bound.vocab_size - 1)) + math.log((1 - epsilon) / epsilon)) / bound.reach


def _way_out(bound: HeadBound, epsilon: float) -> str:
    factor = scale_needed(bound, epsilon)
    if factor is None:
        return ""
    digits = 2 - math.floor(math.log10(factor)) - 1
    shown = math.ceil(factor * 10**digits - 1e-9) / 10**digits  # not below what is needed
    return f"; trained with --logit-scale {shown:g} that bound would be {1 - epsilon:.2g}"


def least_entropy(norm: float, n: int) -> float:
    """The least entropy (nats) of a softmax over n logits whose distance from their mean is at most `norm`.

    Reached with one logit high and the others equal (Zhai et al. 2023, theorem 3.1).
    """
    if n < 2:
        return 0.0
    excess = norm * math.sqrt(n / (n - 1))
    rest = (n - 1) * math.exp(-excess)
    return math.log1p(rest) + excess * rest / (1 + rest)


def least_entropy_below(prob: float, n: int) -> float:
    """The least entropy (nats) of n probabilities none of which exceeds `prob`: as many as fit at it, one the rest."""
    prob = min(1.0, max(prob, 1 / n))
    whole = math.floor(1 / prob + 1e-12)
    rest = max(0.0, 1 - whole * prob)
    return whole * prob * -math.log(prob) + (rest * -math.log(rest) if rest > 0 else 0.0) + 0.0


def bound_head(
    weight: Tensor,
    gain: Tensor | None = None,
    shift: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    logit_scale: float = 1.0,
    softcap: float | None = None,
) -> HeadBound:
    """The bounds of softmax(softcap(scale * (weight (gain * u + shift) + bias))) over all u with |u| <= sqrt(D).

    weight: (V, D), real rows only, any floating dtype. gain, shift: (D,), the final norm's; None: ones, zeros.
    bias: (V,), finite. Computed in float32, a part of the rows at a time.
    """
    import torch

    n, size = weight.shape
    ones = torch.ones(size, device=weight.device)
    scale = logit_scale * (ones if gain is None else gain.float()) * math.sqrt(size)
    offset = None if shift is None else logit_scale * shift.float()
    step = max(1, _CHUNK // size)
    parts = [weight[start : start + step] for start in range(0, n, step)]
    mean = (torch.stack([part.sum(dim=0, dtype=torch.float64) for part in parts]).sum(dim=0) / n).float()
    constants, lengths, centred = [], [], []
    for part in parts:
        rows = part.float()
        constants.append(rows.new_zeros(len(rows)) if offset is None else rows @ offset)
        if softcap is not None:
            lengths.append((rows * scale).norm(dim=1))
        centred.append(((rows - mean) * scale).norm(dim=1))
    constant, far = torch.cat(constants), torch.cat(centred)
    if bias is not None:
        constant = constant + logit_scale * bias.float()
    if softcap is None:
        reach = (far + constant - constant.mean()) * n / max(1, n - 1)
    else:
        length = torch.cat(lengths)
        high, low = (softcap * torch.tanh((constant + sign * length) / softcap) for sign in (1, -1))
        reach = high - (low.sum() - low) / max(1, n - 1)
    probs = torch.sigmoid(reach.double() - math.log(max(1, n - 1)))
    top, least = float(probs.max()), 0.0
    # The largest singular value is at least this one, so where even it bounds nothing its product would be for nothing.
    if least_entropy(float(far.norm()) / math.sqrt(min(n, size)), n) > _NEGLIGIBLE:
        norm = _largest_singular_value(parts, mean, scale) + float((constant - constant.mean()).norm())
        least = least_entropy(norm, n)  # a softcap only brings logits closer together
    return HeadBound(
        vocab_size=n,
        hidden_size=size,
        reach=float(reach.median()),
        median_prob=float(probs.median()),
        top_prob=top,
        least_entropy=max(least, least_entropy_below(top, n)),
    )


def _largest_singular_value(parts: Sequence[Tensor], mean: Tensor, scale: Tensor) -> float:
    """Of the rows minus their mean, times scale."""
    import torch

    gram = torch.zeros(len(scale), len(scale), dtype=torch.float64, device=scale.device)
    for part in parts:
        rows = (part.float() - mean) * scale
        gram += (rows.T @ rows).double()
    return math.sqrt(float(torch.linalg.eigvalsh(gram)[-1].clamp(min=0)))


def bound_checkpoint(
    name: str, *, revision: str | None = None, offline: bool = False, kept_in: Path | None = None
) -> HeadBound | str:
    """The bounds of a checkpoint's head: only the tensors of the head and of the final norm are read.

    Or the reason why they cannot be told. kept_in: the cache's folder, where what an earlier run found is taken from;
    None: it is found anew. Raises ModelError when there is no such checkpoint.
    """
    from calibaudit.errors import ModelError
    from calibaudit.files.memory import Memory
    from calibaudit.files.paths import user_path
    from calibaudit.models.checkpoints import Checkpoint, fetch, find_checkpoint
    from calibaudit.models.formats.adapter_files import is_adapter
    from calibaudit.models.formats.digests import Digests

    folder = user_path(name, ModelError)
    is_whole = revision is None and (folder / "config.json").is_file() and not is_adapter(folder)
    if kept_in is None:
        # A folder is found without hashing all of its weights.
        checkpoint = Checkpoint(name, folder, "")
        if not is_whole:
            checkpoint = find_checkpoint(name, revision=revision, offline=offline)
        return bound_files(fetch(checkpoint))
    checkpoint = find_checkpoint(name, revision=revision, offline=offline, digests=Digests(kept_in))
    memory, key = Memory(kept_in / FILE), f"{FORMAT} {checkpoint.revision} transformers {version('transformers')}"
    entry = memory.get(key)
    try:
        if entry is not None:
            return entry["reason"] if "reason" in entry else HeadBound(**entry)
    except TypeError:
        pass
    found = bound_files(fetch(checkpoint))
    memory.keep(key, {"reason": found} if isinstance(found, str) else asdict(found))
    return found


def bound_files(checkpoint: Checkpoint) -> HeadBound | str:
    """The same of a checkpoint whose files are on disk; of an adapter nothing: it may change head and norm.

    The network is built without its weights, only to learn what its head and final norm are called.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from calibaudit.models.checkpoints import weight_files
    from calibaudit.models.head import config_scale, config_softcap, final_norm
    from calibaudit.models.library import config_in, quiet

    if checkpoint.base is not None:
        return "an adapter may change it"
    files = weight_files(checkpoint)
    try:
        with quiet(), torch.device("meta"):
            config = config_in(checkpoint.path)
            network = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:  # configs validate themselves, each in its own way
        return f"its config gives no network ({type(error).__name__})"
    text = config.get_text_config()
    head, norm = network.get_output_embeddings(), final_norm(network)
    if norm is None or getattr(head, "weight", None) is None:
        return "it has no norm right before a linear head"
    names = {id(value): key for key, value in network.named_parameters()}
    key = names.get(id(head.weight))
    if getattr(text, "tie_word_embeddings", False):
        key = names.get(id(network.get_input_embeddings().weight), key)
    weight = _stored(files, key, network.base_model_prefix)
    if weight is None or weight.shape != head.weight.shape or weight.dtype.itemsize < 2:
        return "its head is not in the files as a plain matrix"
    own = {name: _stored(files, names[id(value)], network.base_model_prefix) for name, value in norm.named_parameters()}
    bias = _stored(files, names[id(head.bias)], "") if getattr(head, "bias", None) is not None else None
    found = _gain_and_shift(norm, own, weight.shape[1])
    if found is None:
        return "its final norm is not of a known kind"
    # Some families carry a scale or a softcap and ignore it: what holds either way.
    scales, softcaps = {config_scale(network, text), 1.0}, {config_softcap(text), None}
    return _weakest(
        [
            bound_head(weight, *found, bias, logit_scale=scale, softcap=softcap)
            for scale, softcap in itertools.product(scales, softcaps)
        ]
    )


def _weakest(bounds: Sequence[HeadBound]) -> HeadBound:
    return HeadBound(
        bounds[0].vocab_size,
        bounds[0].hidden_size,
        reach=max(bound.reach for bound in bounds),
        median_prob=max(bound.median_prob for bound in bounds),
        top_prob=max(bound.top_prob for bound in bounds),
        least_entropy=min(bound.least_entropy for bound in bounds),
    )


def _stored(files: Sequence[Path], key: str | None, prefix: str) -> Tensor | None:
    """The tensor of that name in the files. Some families leave out the prefix; GPT-NeoX's head has an older name."""
    from safetensors import safe_open

    for name in () if key is None else (key, key.removeprefix(f"{prefix}."), key.replace("lm_head", "embed_out")):
        for file in files:
            with safe_open(file, framework="pt") as opened:
                if name in opened.keys():  # noqa: SIM118  # not a dictionary
                    return cast("Tensor", opened.get_tensor(name))
    return None


def _gain_and_shift(norm: Any, weights: dict[str, Tensor | None], size: int) -> tuple[Tensor, Tensor] | None:
    """What the norm multiplies with and adds, found by running it: some families store the gain minus one.

    None when it is neither a root-mean-square nor a layer norm.
    """
    import torch

    norm = norm.to_empty(device="cpu").float()
    for name, parameter in norm.named_parameters():
        stored = weights[name]
        if stored is None or stored.shape != (size,):
            return None
        parameter.data.copy_(stored)
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, (1, size), generator=generator) * 2.0 - 1
    probe = signs * (torch.rand(1, size, generator=generator) + 0.5)
    other = torch.randn(4, size, generator=generator)
    with torch.no_grad():
        plus, minus, given = norm(probe)[0], norm(-probe)[0], norm(other)
    shift = (plus + minus) / 2
    for centre in (0.0, 1.0):
        units = [_unit(rows - centre * rows.mean(dim=1, keepdim=True)) for rows in (probe, other)]
        gain = (plus - minus) / 2 / units[0][0]
        if torch.allclose(units[1] * gain + shift, given, rtol=1e-3, atol=1e-3 * float(given.abs().max())):
            return gain, shift
    return None


def _unit(rows: Tensor) -> Tensor:
    """Rows of root mean square 1."""
    return rows / rows.square().mean(dim=1, keepdim=True).sqrt()


def head_of(
    base: str, instruct: str, revisions: Sequence[str | None], *, offline: bool, kept_in: Path | None = None
) -> HeadBound | None:
    """How sure the tuned model's head can be, or base's; None where neither is a checkpoint whose head can be read.

    kept_in: see `bound_checkpoint`.
    """
    from calibaudit.advice.head_bound import HeadBound, bound_checkpoint
    from calibaudit.scores.saved import is_saved_scores
    from calibaudit.scoring.engines.address import is_server

    for name, revision in ((instruct, revisions[1]), (base, revisions[0])):
        if not is_saved_scores(name) and not is_server(name):
            found = bound_checkpoint(name, revision=revision, offline=offline, kept_in=kept_in)
            if isinstance(found, HeadBound):
                return found
    return None
