"""A checkpoint's files -> a network and a tokenizer in memory, or one line that says why not."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import Checkpoint, check_tokenizer_files, read_settings, weight_files

VERSION = tuple(int(part) for part in transformers.__version__.split(".")[:2])
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_STORED_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16,
}  # fmt: skip


@dataclass(frozen=True)
class Loaded:
    """What `load_network` gives. network: in eval mode, without gradients. warnings: one line each."""

    network: Any
    tokenizer: Any
    dtype: torch.dtype
    device: str
    warnings: tuple[str, ...]


def load_network(checkpoint: Checkpoint, dtype: str, device: str) -> Loaded:
    """Read network and tokenizer of a checkpoint whose files are on disk.

    dtype: auto, float32, bfloat16 or float16. auto: what the weights are stored in; on a CPU float32 for float16.
    device: auto, cpu, cuda, cuda:N or mps. auto: the GPU if there is one; if it is too small, all of them (accelerate).
    Raises ModelError.
    """
    if dtype != "auto" and dtype not in DTYPES:
        raise ModelError(f"--dtype {dtype}: not one of auto, {', '.join(DTYPES)}")
    chosen_device = _choose_device(device)
    with quiet():
        config = _load_config(checkpoint)
        files = weight_files(checkpoint)
        check_tokenizer_files(checkpoint)
        tokenizer = load_tokenizer(checkpoint)
        chosen_dtype, notes = _choose_dtype(dtype, config, files, chosen_device)
        placement = _placement(device, chosen_device, files, chosen_dtype)
        network, more = _read_weights(checkpoint, config, chosen_dtype, placement)
    notes += more
    n_embeddings = network.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > n_embeddings:
        notes.append(
            f"the tokenizer has {len(tokenizer):,} tokens, the model {n_embeddings:,}: "
            "text with the others cannot be scored"
        )
    return Loaded(network, tokenizer, chosen_dtype, placement, tuple(notes))


def _load_config(checkpoint: Checkpoint) -> Any:
    """The config of a decoder-only causal LM that this transformers knows. Raises ModelError."""
    name, raw = checkpoint.name, read_settings(checkpoint)
    kind = raw.get("model_type")
    if kind is None:
        raise ModelError(f"{name}: config.json has no model_type, so it is not a transformers checkpoint")
    if kind not in CONFIG_MAPPING:
        if raw.get("auto_map"):
            raise ModelError(
                f"{name}: model type {kind!r} needs code from the checkpoint (auto_map), which is never run; "
                "use a version that transformers supports itself"
            )
        raise ModelError(
            f"{name}: transformers {transformers.__version__} does not know model type {kind!r}; try a newer one"
        )
    try:
        config = AutoConfig.from_pretrained(checkpoint.path, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # configs validate themselves, each in its own way
        raise ModelError(f"{name}: config.json is not a valid {kind} config ({first_line(error)})") from error
    architectures = raw.get("architectures") or []
    shown = f"{kind}, {architectures[0]}" if architectures else kind
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"{name}: not a decoder-only causal LM ({shown}: encoder-decoder)")
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ModelError(f"{name}: not a causal LM ({shown})")
    own = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)].__name__
    known = {own, *MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()}  # names: the mapping's values would import every family
    if architectures and known.isdisjoint(architectures):
        raise ModelError(f"{name}: not a causal LM ({shown}); its weights have no language-model head of that kind")
    if VERSION < (5,):
        _check_rotary(name, raw.get("text_config") or raw, config.get_text_config())
    return config


def _check_rotary(name: str, raw: dict[str, Any], config: Any) -> None:
    """transformers 5 writes `rope_parameters`, which 4 ignores in silence: refuse unless its defaults say the same."""
    rope = raw.get("rope_parameters")
    if not rope:
        return
    plain = {"rope_type": "default", "rope_theta": getattr(config, "rope_theta", None)}
    if "partial_rotary_factor" in rope:
        plain["partial_rotary_factor"] = getattr(config, "partial_rotary_factor", None)
    if rope != plain:
        raise ModelError(
            f"{name}: written by transformers 5 (rope_parameters), which transformers {transformers.__version__} would "
            "misread; upgrade it: pip install -U 'transformers>=5'"
        )


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """The tokenizer of a checkpoint whose files are on disk. Raises ModelError."""
    loader = AutoTokenizer
    if VERSION < (5,) and (checkpoint.path / "tokenizer_config.json").is_file():
        settings = read_settings(checkpoint, "tokenizer_config.json")
        if settings.get("tokenizer_class") == "TokenizersBackend":  # what transformers 5 calls this class
            loader = PreTrainedTokenizerFast
    try:
        tokenizer = loader.from_pretrained(checkpoint.path, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # tokenizers raise anything from KeyError to a bare Rust exception
        raise ModelError(f"{checkpoint.name}: the tokenizer cannot be read ({first_line(error)})") from error
    if len(tokenizer) == 0:
        raise ModelError(f"{checkpoint.name}: the tokenizer is empty; copy its files from the original model")
    return tokenizer


def _read_weights(checkpoint: Checkpoint, config: Any, dtype: torch.dtype, placement: str) -> tuple[Any, list[str]]:
    name = checkpoint.name
    options: dict[str, Any] = {"dtype" if VERSION >= (4, 56) else "torch_dtype": dtype}
    if placement == "auto":
        options["device_map"] = "auto"
    try:
        network, report = AutoModelForCausalLM.from_pretrained(
            checkpoint.path,
            config=config,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
        if placement != "auto":
            network.to(placement)
    except Exception as error:
        if is_out_of_memory(error):
            raise ModelError(
                f"{name}: out of memory while loading as {_name(dtype)} on {placement}; try --dtype bfloat16, "
                "a larger device, or several GPUs with accelerate installed"
            ) from error
        raise ModelError(f"{name}: the weights cannot be loaded ({first_line(error)})") from error
    notes = _check_report(name, network, report)
    return network.eval().requires_grad_(False), notes


def _check_report(name: str, network: Any, report: dict[str, Any]) -> list[str]:
    """Weights that were not in the files would be random numbers: an error. Ones that nothing uses: a warning."""
    wrong_shapes = sorted(_key(entry) for entry in report.get("mismatched_keys") or ())
    if wrong_shapes:
        raise ModelError(
            f"{name}: {len(wrong_shapes)} weights have another shape than config.json says, first {wrong_shapes[0]}"
        )
    # A tied weight is the same object as one that was read; only those that are missing under every name are lost.
    missing = set(report.get("missing_keys") or ())
    tensors = dict(network.named_parameters(remove_duplicate=False)) | dict(
        network.named_buffers(remove_duplicate=False)
    )
    read = {id(tensor) for key, tensor in tensors.items() if key not in missing}
    lost = sorted(key for key in missing if key not in tensors or id(tensors[key]) not in read)
    if lost:
        raise ModelError(
            f"{name}: {len(lost)} weights are not in the files, first {lost[0]}; they would be random numbers"
        )
    if report.get("error_msgs"):
        raise ModelError(f"{name}: the weights cannot be loaded ({report['error_msgs'][0]})")
    unused = sorted(report.get("unexpected_keys") or ())
    return [f"{len(unused)} weights in the files are not used, first {unused[0]}"] if unused else []


def _key(entry: Any) -> str:
    return str(entry[0]) if isinstance(entry, tuple) else str(entry)


def _choose_device(device: str) -> str:
    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"--device {device}: not a device; use auto, cpu, cuda, cuda:N or mps") from error
    if kind.type == "cuda":
        n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if n_gpus == 0:
            raise ModelError(f"--device {device}: no CUDA device here (torch {torch.__version__}); use cpu")
        if (kind.index or 0) >= n_gpus:
            raise ModelError(f"--device {device}: there are only {n_gpus} CUDA devices, cuda:0 to cuda:{n_gpus - 1}")
        return f"cuda:{kind.index or 0}"
    if kind.type == "mps" and not torch.backends.mps.is_available():
        raise ModelError("--device mps: not available here; use cpu")
    if kind.type not in ("cpu", "mps"):
        raise ModelError(f"--device {device}: not supported; use auto, cpu, cuda, cuda:N or mps")
    return kind.type


def _placement(asked: str, device: str, files: Iterable[Path], dtype: torch.dtype) -> str:
    """The device, or `auto` to spread over several when nobody chose one and the first is too small."""
    if asked != "auto" or not device.startswith("cuda") or find_spec("accelerate") is None:
        return device
    free, _ = torch.cuda.mem_get_info(0)
    return device if _n_bytes(files, dtype) < 0.85 * free else "auto"


def _n_bytes(files: Iterable[Path], dtype: torch.dtype) -> int:
    """Bytes of all weights once they are of this dtype."""
    total = 0
    for file in files:
        stored = max(_stored_dtypes([file]), key=lambda kind: kind.itemsize, default=dtype)
        total += file.stat().st_size * dtype.itemsize // stored.itemsize
    return total


def _choose_dtype(asked: str, config: Any, files: Iterable[Path], device: str) -> tuple[torch.dtype, list[str]]:
    """bfloat16 stays bfloat16 on a CPU: half the memory, and the numbers that a GPU would round to, too.

    float16 does not: most CPUs have no arithmetic for it.
    """
    if asked != "auto":
        return DTYPES[asked], []
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    stored = getattr(text, "dtype", None) or getattr(text, "torch_dtype", None)
    if isinstance(stored, str):
        stored = getattr(torch, stored.removeprefix("torch."), None)
    if not isinstance(stored, torch.dtype):
        found = _stored_dtypes(files)
        stored = found[0] if found else torch.float32
    if stored not in DTYPES.values():
        return torch.float32, [f"the checkpoint is {_name(stored)}; computed in float32"]
    if stored == torch.float16 and device == "cpu":
        return torch.float32, ["the checkpoint is float16; computed in float32 on a CPU (--dtype float16 to keep it)"]
    return stored, []


def _stored_dtypes(files: Iterable[Path]) -> list[torch.dtype]:
    """The floating dtypes in the files' headers, in order."""
    found: list[torch.dtype] = []
    for file in files:
        with safe_open(file, framework="np") as opened:
            stored = (_STORED_DTYPES.get(opened.get_slice(key).get_dtype()) for key in list(opened.keys()))
            found += [kind for kind in stored if kind is not None]
    return found


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the host ran out of memory."""
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError)
        and any(sign in text for sign in ("out of memory", "can't allocate memory", "not enough memory"))
    )


@contextmanager
def quiet() -> Iterator[None]:
    """transformers' own warnings and bars off: what matters in them is checked here and said in one line."""
    level, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
