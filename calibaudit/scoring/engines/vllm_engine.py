"""vLLM in this process as an engine: a checkpoint that it runs, on every GPU that is visible.

Written to vLLM's documented interface (`LLM`, `SamplingParams`, `RequestOutput.prompt_logprobs`), release 0.33. What it
gives is held to the same known answer as a server's: a token's log-probability as the next one must be the one that it
has as the last of a prompt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import Checkpoint, fetch, find_checkpoint, read_settings
from calibaudit.models.formats.quantization import described, quantization_settings
from calibaudit.models.library import first_line
from calibaudit.models.tokenizer import check_tokenizer_files, load_tokenizer, prefix_token_id
from calibaudit.scores.scores import ModelInfo
from calibaudit.scoring.cache import ItemCache
from calibaudit.scoring.encode import Encoder, Row, Take, Tokens
from calibaudit.scoring.engines.engine import RowResults
from calibaudit.scoring.engines.probe import TEXTS, TOLERANCE
from calibaudit.scoring.engines.versions import versions_of
from calibaudit.tasks.items import Task

ROWS_PER_CALL = 512
"""Rows handed to `LLM.generate` at a time: enough to fill its batches, few enough that a run that is cut off loses
little, since results come back when the last of them is done."""


class VllmModel:
    """A checkpoint in an `LLM`. Use `open_vllm`."""

    def __init__(self, llm: Any, sampling: Any, checkpoint: Checkpoint, tokenizer: Any, n_gpus: int) -> None:
        config = llm.llm_engine.model_config
        quantized = quantization_settings(read_settings(checkpoint))
        dtype = str(config.dtype).removeprefix("torch.")
        self._llm = llm
        self._sampling = sampling
        self.tokenizer = tokenizer
        self.prefix_token_id = prefix_token_id(tokenizer)
        self.n_embeddings: int | None = None
        self.n_ranks = 1
        # A prompt leaves room for the one token that is generated, and a row has one token more than max_length.
        self.max_length = int(config.max_model_len) - 2
        self.info = ModelInfo(
            name=checkpoint.name,
            revision=checkpoint.revision,
            dtype=dtype,
            device=f"cuda x {n_gpus}" if n_gpus > 1 else "cuda",
            family=str(read_settings(checkpoint).get("model_type", "unknown")),
            n_parameters=0,
            vocab_size=len(tokenizer),
            head="log-probabilities of vLLM",
            quantization="" if quantized is None else described(quantized),
            engine=f"vLLM {version()}",
        )

    def settings(self) -> Mapping[str, Any]:
        return {
            "engine": self.info.engine,
            "revision": self.info.revision,
            "dtype": self.info.dtype,
            "max_length": self.max_length,
            "versions": versions_of(self.info),
        }

    def check_task(self, task: Task) -> None:
        pass

    def check_kept(self, cache: ItemCache) -> None:
        pass

    def score_rows(self, rows: Sequence[Row], names: Sequence[str], take: Take | None = None) -> Iterator[RowResults]:
        """A sequence a prompt, the longest first, ROWS_PER_CALL rows at a time."""
        order = sorted(range(len(rows)), key=lambda r: (-rows[r].length, rows[r].context))
        for start in range(0, len(order), ROWS_PER_CALL):
            chosen = [r for r in order[start : start + ROWS_PER_CALL] if take is None or take(r)]
            if not chosen:
                continue
            owners = [(r, tokens) for r in chosen for tokens in rows[r].continuations]
            sums = self._sums(
                [rows[r].context + tokens for r, tokens in owners],
                [len(rows[r].context) for r, _ in owners],
                [names[r] for r, _ in owners],
            )
            values = iter(sums)
            yield RowResults(tuple(chosen), tuple(tuple(next(values) for _ in rows[r].continuations) for r in chosen))

    def check_places(self) -> None:
        """Raises ModelError where the log-probabilities of a prompt are not those of its own next tokens."""
        encoder = Encoder(self.tokenizer, self.prefix_token_id, self.max_length)
        prompts = encoder.contexts([(text, True) for text in TEXTS])
        outputs = self._generate(prompts, self._sampling(max_tokens=1, temperature=0.0, logprobs=1, detokenize=False))
        following = [(int(o.outputs[0].token_ids[0]), o.outputs[0].logprobs[0]) for o in outputs]
        longer = [(*ids, token) for ids, (token, _) in zip(prompts, following, strict=True)]
        sums = self._sums(longer, [len(ids) for ids in prompts], [self.info.name] * len(longer))
        for (token, found), value in zip(following, sums, strict=True):
            expected = found[token].logprob
            if not abs(expected - value) <= TOLERANCE:
                raise ModelError(
                    f"{self.info.name}: {self.info.engine} gives one token {expected:.3f} as the next and {value:.3f} "
                    "as the last of the prompt, so its prompt_logprobs are not used; run it with --engine transformers"
                )

    def _sums(self, sequences: Sequence[Tokens], n_context: Sequence[int], names: Sequence[str]) -> list[float]:
        """The summed log-probability of each sequence's tokens from n_context on."""
        wanted = self._sampling(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
        outputs = self._generate(sequences, wanted)
        return [
            _sum(output.prompt_logprobs, ids, start, name)
            for output, ids, start, name in zip(outputs, sequences, n_context, names, strict=True)
        ]

    def _generate(self, sequences: Sequence[Tokens], wanted: Any) -> list[Any]:
        prompts = [{"prompt_token_ids": list(ids)} for ids in sequences]
        return list(self._llm.generate(prompts, wanted, use_tqdm=False))


def _sum(entries: Any, ids: Tokens, start: int, name: str) -> float:
    """entries: None for the first token, then a dictionary each: token id -> Logprob."""
    if entries is None or len(entries) != len(ids):
        raise ModelError(f"{name}: vLLM gave {len(entries or ())} prompt_logprobs for {len(ids)} tokens")
    total = 0.0
    for place in range(start, len(ids)):
        entry = entries[place]
        found = None if entry is None else entry.get(ids[place])
        if found is None:
            raise ModelError(f"{name}: vLLM gave no log-probability of token {place}, {ids[place]}")
        total += float(found.logprob)
    return total if not math.isnan(total) else -math.inf


def open_vllm(
    name: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    offline: bool = False,
    notice: Callable[[str], None] = lambda text: None,
) -> VllmModel:
    """The checkpoint `name` in vLLM.

    device: auto or cuda, every visible GPU, or as many of them as divide the attention heads (CUDA_VISIBLE_DEVICES
    chooses); another is refused. dtype: as vLLM has it. notice: called with each sentence the user should read.
    Raises ModelError where vLLM is missing, does not start, or fails `check_places`.
    """
    if device not in ("auto", "cuda"):
        raise ModelError(
            f"--device {device}: --engine vllm takes every visible GPU; choose them with CUDA_VISIBLE_DEVICES"
        )
    try:
        import vllm
    except ImportError as error:
        raise ModelError(
            f"--engine vllm: vLLM cannot be imported ({first_line(error)}); pip install 'calibaudit[vllm]', on a "
            "machine with a GPU that it supports"
        ) from error
    checkpoint = fetch(find_checkpoint(name, revision=revision, offline=offline))
    if checkpoint.base is not None:
        raise ModelError(
            f"{name}: is an adapter, which --engine vllm does not take; merge it, or use --engine transformers"
        )
    check_tokenizer_files(checkpoint)
    tokenizer = load_tokenizer(checkpoint)
    n_gpus = _n_gpus(checkpoint)
    try:
        llm = vllm.LLM(
            model=str(checkpoint.path),
            tokenizer=str(checkpoint.path),
            dtype=dtype,
            tensor_parallel_size=n_gpus,
            seed=0,
        )
    except Exception as error:  # it raises whatever its parts raise
        raise ModelError(f"{name}: vLLM cannot run it ({first_line(error)}); try --engine transformers") from error
    model = VllmModel(llm, vllm.SamplingParams, checkpoint, tokenizer, n_gpus)
    model.check_places()
    notice(f"{name}: run by {model.info.engine} in {model.info.dtype} on {model.info.device}")
    return model


def _n_gpus(checkpoint: Checkpoint) -> int:
    import torch

    config = read_settings(checkpoint)
    heads = config.get("num_attention_heads") or config.get("text_config", {}).get("num_attention_heads") or 1
    return next((n for n in range(torch.cuda.device_count(), 1, -1) if heads % n == 0), 1)


def version() -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("vllm")
    except PackageNotFoundError:
        return "of unknown version"
