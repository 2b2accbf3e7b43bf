"""Every family of `AutoModelForCausalLM`: does a shared context give what whole rows give, and how much does it save?

    python benchmarks/families.py [--family NAME ...] [--rows letters cloze] [--scale 1] [--window 24] [--seconds 60]

Of each family in the installed transformers a tiny random network is made (`tiny_configs.py`), saved and loaded as a
checkpoint is, and scores two made batches: `letters` (a common start of 40 tokens as of five shots, contexts up to 30
tokens longer, four choices of one token) and `cloze` (contexts of 6 to 60 tokens, four choices of 2 to 9 tokens, as in
HellaSwag). Windows are 24 tokens wide, so most rows go beyond them. `--scale` multiplies the lengths of contexts,
`--window` sets the width. One line a family:

- path: `packed` rows, a `copied` cache or `whole` rows; two where a batch took both.
- worst difference, nats: to the network's own logits on each choice as a row of its own, log-softmax in float64.
- tokens run / needed: needed is each distinct start of the batch's rows once; padding counts as run.
- for a family that does not run, the reason.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import logging
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tiny_configs import MAX_LENGTH, VOCAB, WINDOW, tiny_config

from calibaudit.errors import CalibauditError
from calibaudit.models.model import Model, load_model
from calibaudit.scoring import batches
from calibaudit.scoring.batches import batch_size_for, score_rows
from calibaudit.scoring.encode import Row

TOLERANCE = 1e-4


def made_rows(kind: str, scale: int = 1, seed: int = 0, n_rows: int = 24) -> list[Row]:
    """Rows of random tokens (see above). kind: letters or cloze. scale: of the contexts' lengths."""
    generator = torch.Generator().manual_seed(seed)

    def tokens(n: int) -> tuple[int, ...]:
        return tuple(torch.randint(3, VOCAB, (n,), generator=generator).tolist())

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=generator))

    if kind == "letters":
        shots = tokens(40 * scale)
        return [
            Row(shots + tokens(number(4 * scale, 30 * scale)), ((5,), (6,), (7,), (8,)), (0, 1, 2, 3))
            for _ in range(n_rows)
        ]
    return [
        Row(tokens(number(6 * scale, 60 * scale)), tuple(tokens(number(2, 9)) for _ in range(4)), (0, 1, 2, 3))
        for _ in range(n_rows)
    ]


def tokens_needed(rows: list[Row]) -> int:
    """Each distinct start of what the network must be fed, once."""
    fed = [row.context + continuation[:-1] for row in rows for continuation in row.continuations]
    return len({sequence[:n] for sequence in fed for n in range(1, len(sequence) + 1)})


def expected(network: Any, rows: list[Row]) -> list[list[float]]:
    """Each choice as one row through the network's own logits."""
    found = []
    for row in rows:
        found.append([])
        for continuation in row.continuations:
            ids = torch.tensor([row.context + continuation[:-1]])
            with torch.no_grad():
                logits = network(input_ids=ids, use_cache=False).logits[0, len(row.context) - 1 :]
            logprobs = logits.double().log_softmax(-1)
            found[-1].append(float(logprobs.gather(1, torch.tensor(continuation)[:, None]).sum()))
    return found


@contextlib.contextmanager
def counted() -> Iterator[list[int]]:
    """Tokens of every call of `Model.forward` while the block runs."""
    forward, numbers = Model.forward, []

    def watched(self: Model, input_ids: Any, *args: Any, **rest: Any) -> Any:
        numbers.append(input_ids.numel())
        return forward(self, input_ids, *args, **rest)

    Model.forward = watched  # type: ignore[method-assign]
    try:
        yield numbers
    finally:
        Model.forward = forward  # type: ignore[method-assign]


def random_network(config: Any, seed: int = 0) -> Any:
    """In float32 and eval mode, with weights large enough that positions, windows and states matter."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    network = AutoModelForCausalLM.from_config(config).float().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("A_log"):  # states that last for some tokens: those that die at once would show nothing
                parameter.copy_(noise * 0.5 - 1.5)
            elif parameter.ndim > 1 and parameter.is_floating_point():
                parameter.copy_(noise * 1.5 / parameter.shape[-1] ** 0.5)
    return network


def save(network: Any, folder: Path) -> None:
    """A checkpoint that can be loaded, with a tokenizer of as many words as the network has."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    network.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(VOCAB)}, unk_token="w2"))
    PreTrainedTokenizerFast(tokenizer_object=words, bos_token="w0", eos_token="w1").save_pretrained(folder)


def run_family(family: str, kinds: list[str], scale: int = 1, window: int = WINDOW) -> list[str]:
    """Cells of the family's line: path, then difference and tokens by kind of rows. Raises what stops it."""
    with tempfile.TemporaryDirectory() as folder:
        save(random_network(tiny_config(family, window, MAX_LENGTH * scale)), Path(folder))
        model = load_model(folder, device="cpu", dtype="float32")
    paths, cells, worst = {}, [], 0.0
    for kind in kinds:
        rows = rows_for(model, kind, scale)
        with counted() as numbers:
            found = scored(model, rows)
        paths |= dict.fromkeys(_paths(model, rows))
        worst = max(worst, _worst(found, expected(model.network, rows)))
        cells.append(f"{sum(numbers) / tokens_needed(rows):.2f}")
    notes = [text.partition(": ")[2] for text in model.warnings]
    if worst > TOLERANCE:
        notes.append(_in_float64(model, [rows_for(model, kind, scale) for kind in kinds]))
    return [" + ".join(sorted(paths)), f"{worst:.1e}", *cells, "; ".join(notes)]


def _in_float64(model: Model, made: list[list[Row]]) -> str:
    """Whose rounding a large difference is: both sides against the network in float64, as far as it runs in that."""
    try:
        network = copy.deepcopy(model.network).double()
        if hasattr(network, "set_experts_implementation"):
            network.set_experts_implementation("eager")  # the grouped one knows no float64
        exact = [expected(network, rows) for rows in made]
    except RuntimeError:
        return "**differs**"
    ours = max(_worst(scored(model, rows), e) for rows, e in zip(made, exact, strict=True))
    plain = max(_worst(expected(model.network, rows), e) for rows, e in zip(made, exact, strict=True))
    said = "" if ours <= max(TOLERANCE, plain) else "**differs**; "
    return f"{said}from the network in float64: {ours:.1e}, its own float32 rows {plain:.1e}"


def rows_for(model: Model, kind: str, scale: int) -> list[Row]:
    """The made rows that the model has room for."""
    return [row for row in made_rows(kind, scale) if row.length <= model.max_length]


def scored(model: Model, rows: list[Row]) -> list[Any]:
    """The log-probabilities of the rows' continuations, as `calibaudit` scores them."""
    found: list[Any] = [None] * len(rows)
    for batch in score_rows(model, rows, batch_size_for(model, None), ["row"] * len(rows)):
        for index, values in zip(batch.indices, batch.logprobs, strict=True):
            found[index] = values
    return found


def _worst(found: list[Any], others: list[Any]) -> float:
    pairs = zip(found, others, strict=True)
    return max(abs(x - y) for mine, other in pairs for x, y in zip(mine, other, strict=True))


def _paths(model: Model, rows: list[Row]) -> list[str]:
    if hasattr(batches, "path"):
        return [batches.path(model, row) for row in rows]
    return ["packed" if batches._pieces(model, row, 0) else "whole" for row in rows]  # before caches were copied


def _reason(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    if isinstance(error, CalibauditError):
        return text.partition(": ")[2].splitlines()[0][:150]
    return f"no tiny network: {type(error).__name__}: {text.splitlines()[-1][:120]}"


def main() -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", nargs="+", default=[*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES])
    parser.add_argument("--rows", nargs="+", default=["letters", "cloze"], choices=["letters", "cloze"])
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--window", type=int, default=WINDOW)
    parser.add_argument("--seconds", type=int, default=60, help="that one family may take")
    args = parser.parse_args()
    for name in ("transformers", "calibaudit"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError("it takes too long")))
    print(f"| family | path | worst, nats | {' | '.join(f'{kind}, run / needed' for kind in args.rows)} | note |")
    print("| --- | --- | ---: |" + " ---: |" * len(args.rows) + " --- |")
    counts: dict[str, int] = {}
    begin = time.perf_counter()
    for family in args.family:
        signal.alarm(args.seconds)
        try:
            cells = run_family(family, args.rows, args.scale, args.window)
        except (Exception, SystemExit) as error:  # whatever a network that nobody here wrote raises
            cells = ["not run", "", *[""] * len(args.rows), _reason(error)]
        finally:
            signal.alarm(0)
        counts[cells[0]] = counts.get(cells[0], 0) + 1
        print("|", " | ".join([family, *cells]), "|", flush=True)
    print(f"\n{counts}, {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main()
