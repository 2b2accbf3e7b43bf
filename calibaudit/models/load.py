"""A checkpoint's files -> a network and a tokenizer in memory, or one line that says why not."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import Checkpoint, check_unchanged, read_settings, text_settings, weight_files
from calibaudit.models.cpu.waiting import wait_well
from calibaudit.models.devices import DTYPES, choose_device, choose_dtype, dtype_name, is_out_of_memory
from calibaudit.models.formats.adapter_files import read_adapter
from calibaudit.models.formats.adapters import with_adapter
from calibaudit.models.formats.families import class_names, loaders_of, text_config
from calibaudit.models.formats.quantization import as_run, check_can_load, quantization_settings
from calibaudit.models.formats.setting_types import check_fits
from calibaudit.models.formats.shards import read_header
from calibaudit.models.library import VERSION, config_in, first_line, quiet, reading
from calibaudit.models.parallel.layout import Layout, Weights, layout_of, memory_of
from calibaudit.models.parallel.split import split_options
from calibaudit.models.tokenizer import check_tokenizer_files, load_tokenizer


@dataclass(frozen=True)
class Loaded:
    """What `load_network` gives. network: in eval mode, without gradients. warnings: one line each.

    n_parameters: of the network, as if none of its weights were packed. quantization, adapter: as in ModelInfo.
    n_ranks: processes that hold a part of it each.
    """

    network: Any
    tokenizer: Any
    dtype: torch.dtype
    device: str
    warnings: tuple[str, ...]
    n_parameters: int
    quantization: str = ""
    adapter: str = ""
    n_ranks: int = 1


def load_network(checkpoint: Checkpoint, dtype: str, device: str, parallel: str = "data") -> Loaded:
    """Read network and tokenizer of a checkpoint whose files are on disk.

    dtype: auto, float32, bfloat16 or float16. auto: what the weights are stored in; on a CPU float32 for float16.
    device: auto, cpu, cuda, cuda:N or mps. auto: the GPU if there is one; if it is too small, several (`layout_of`).
    parallel: auto, data, tensor or tensor:N, see `layout_of`.
    An adapter is merged into its base's weights, or stays beside them where those are quantized.
    Raises ModelError.
    """
    if dtype != "auto" and dtype not in DTYPES:
        raise ModelError(f"--dtype {dtype}: not one of auto, {', '.join(DTYPES)}")
    chosen_device = choose_device(device)
    with quiet():
        config = _load_config(checkpoint)
        files = weight_files(checkpoint)
        _check_fits(checkpoint, config)
        check_tokenizer_files(checkpoint)
        tokenizer = load_tokenizer(checkpoint)
        settings = quantization_settings(read_settings(checkpoint))
        if settings is not None:
            check_can_load(checkpoint.whole.name, settings)
        chosen_dtype, notes = choose_dtype(dtype, config, files, chosen_device)
        weights = Weights(checkpoint.name, config, tuple(files), chosen_dtype, _whole_only(checkpoint, settings))
        layout = layout_of(weights, device, parallel)
        with reading(checkpoint.name, files):
            network, more = _read_weights(
                checkpoint.whole, config, chosen_dtype, layout, quantized=settings is not None
            )
        network, adapter = _adapted(checkpoint, network, merge=settings is None)
        n_parameters = sum(p.numel() for p in (network if settings is None else _unpacked(network)).parameters())
    notes += more
    n_embeddings = network.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > n_embeddings:
        notes.append(
            f"the tokenizer has {len(tokenizer):,} tokens, the model {n_embeddings:,}: "
            "text with the others cannot be scored"
        )
    check_unchanged(checkpoint)
    quantization = "" if settings is None else as_run(network, settings)
    network.eval().requires_grad_(False)
    if layout.device == "cpu":
        wait_well(network)
    return Loaded(
        network,
        tokenizer,
        chosen_dtype,
        layout.device,
        tuple(notes),
        n_parameters,
        quantization,
        adapter,
        layout.n_ranks,
    )


def _check_fits(checkpoint: Checkpoint, config: Any) -> None:
    """Whether the files can hold what config.json describes, before memory is taken for it. Raises ModelError."""
    whole = checkpoint.whole
    files = weight_files(whole)
    n_tensors = sum(len(read_header(whole.name, file)[1]) for file in files)
    n_bytes = sum(file.stat().st_size for file in files)
    check_fits(whole.name, text_settings(whole), n_tensors, n_bytes)
    n_weights = _n_described(config)
    if n_weights > _MOST_A_BYTE * n_bytes:
        raise ModelError(
            f"{whole.name}: config.json describes {n_weights:,} weights, more than the {n_bytes:,} bytes of the weight "
            "files hold; they do not belong together"
        )
    if (whole.path / _GENERATION).is_file():
        read_settings(whole, _GENERATION)


_GENERATION = "generation_config.json"
_MOST_A_BYTE = 8
"""Weights in a byte of a file: none takes less than one bit."""


def _n_described(config: Any) -> int:
    """Weights of the smallest network that the config may stand for; 0 where it cannot be made: loading says why."""
    try:
        with torch.device("meta"):
            network = loaders_of(config)[0].from_config(copy.deepcopy(config))
    except Exception:
        return 0
    return sum(parameter.numel() for parameter in network.parameters())


def _whole_only(checkpoint: Checkpoint, quantized: object) -> str:
    """Why the layers cannot be split over processes; empty where nothing here says so."""
    if quantized is not None:
        return "its weights are quantized"
    return "" if checkpoint.base is None else "it is an adapter on a base: merge them first"


def _adapted(checkpoint: Checkpoint, network: Any, *, merge: bool) -> tuple[Any, str]:
    """The network with the checkpoint's adapters in it, the innermost first, and what they are; "" for none."""
    if checkpoint.base is None:
        return network, ""
    network, below = _adapted(checkpoint.base, network, merge=merge)
    adapter = read_adapter(checkpoint.name, checkpoint.path)
    network = with_adapter(network, checkpoint.name, checkpoint.path, adapter, merge=merge)
    base = checkpoint.base
    named = base.name if base.from_hub or base.name.startswith("demo:") else base.path.resolve().name
    return network, f"{adapter.described} on {f'{named} with {below}' if below else named}"


def _unpacked(network: Any) -> Any:
    """The same network without weights, as it would be if it were not quantized: packed numbers cannot be counted."""
    config = copy.deepcopy(network.config)
    for part in (config, text_config(config)):
        if hasattr(part, "quantization_config"):
            del part.quantization_config
    with torch.device("meta"):
        return type(network)(config)


def _load_config(checkpoint: Checkpoint) -> Any:
    """The config of a causal LM, or of a wrapper around one, that this transformers knows. Raises ModelError."""
    checkpoint = checkpoint.whole
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
        config = config_in(checkpoint.path)
    except Exception as error:  # configs validate themselves, each in its own way
        raise ModelError(f"{name}: config.json is not a valid {kind} config ({first_line(error)})") from error
    architectures = raw.get("architectures") or []
    shown = f"{kind}, {architectures[0]}" if architectures else kind
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"{name}: not a decoder-only causal LM ({shown}: encoder-decoder)")
    if not loaders_of(config):
        if class_names(config).intersection(architectures):
            raise ModelError(
                f"{name}: transformers {transformers.__version__} names no class that loads {architectures[0]} from a "
                f"{kind} config; save the whole model it is a part of"
            )
        raise ModelError(f"{name}: not a causal LM ({shown})")
    if architectures and class_names(config).isdisjoint(architectures):
        raise ModelError(f"{name}: not a causal LM ({shown}); its weights have no language-model head of that kind")
    if VERSION < (5,):
        _check_rotary(name, raw.get("text_config") or raw, text_config(config))
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


def _read_weights(
    checkpoint: Checkpoint, config: Any, dtype: torch.dtype, layout: Layout, *, quantized: bool
) -> tuple[Any, list[str]]:
    """The network of the first class that finds all of its weights in the files, and notes."""
    loaders = loaders_of(config)
    for loader in loaders[:-1]:
        try:
            return _read_as(loader, checkpoint, copy.deepcopy(config), dtype, layout, quantized)
        except _LostWeightsError:  # the text alone has other names there than in the wrapper that was saved
            continue
    return _read_as(loaders[-1], checkpoint, config, dtype, layout, quantized)


class _LostWeightsError(ModelError):
    """Weights that are not in the files, or have another shape there."""


def _read_as(
    loader: Any, checkpoint: Checkpoint, config: Any, dtype: torch.dtype, layout: Layout, quantized: bool
) -> tuple[Any, list[str]]:
    name, placement = checkpoint.name, layout.device
    options: dict[str, Any] = {"dtype" if VERSION >= (4, 56) else "torch_dtype": dtype}
    if layout.n_ranks > 1:
        options |= split_options(layout.n_ranks)
    elif placement == "auto":
        options["device_map"] = "auto"
        if layout.gpus:
            options["max_memory"] = memory_of(layout.gpus)
    elif quantized or placement.startswith("cuda"):
        # Read straight to where they stay: quantized weights cannot be moved, and others would be in the host's memory
        # too, once for each process.
        options["device_map"] = {"": placement}
    try:
        network, report = loader.from_pretrained(
            checkpoint.path,
            config=config,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
        if "device_map" not in options and layout.n_ranks == 1:
            network.to(placement)
    except Exception as error:
        if is_out_of_memory(error):
            raise ModelError(
                f"{name}: out of memory while loading as {dtype_name(dtype)} on {placement}; try --dtype bfloat16, "
                "a larger device, or several GPUs with accelerate installed"
            ) from error
        raise ModelError(f"{name}: the weights cannot be loaded ({first_line(error)})") from error
    return network, _check_report(name, network, report)


def _check_report(name: str, network: Any, report: dict[str, Any]) -> list[str]:
    """Weights that were not in the files would be random numbers: an error. Ones that nothing uses: a warning."""
    wrong_shapes = sorted(_key(entry) for entry in report.get("mismatched_keys") or ())
    if wrong_shapes:
        raise _LostWeightsError(
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
        raise _LostWeightsError(
            f"{name}: {len(lost)} weights are not in the files, first {lost[0]}; they would be random numbers"
        )
    if report.get("error_msgs"):
        raise ModelError(f"{name}: the weights cannot be loaded ({report['error_msgs'][0]})")
    unused = sorted(report.get("unexpected_keys") or ())
    return [f"{len(unused)} weights in the files are not used, first {unused[0]}"] if unused else []


def _key(entry: Any) -> str:
    return str(entry[0]) if isinstance(entry, tuple) else str(entry)
