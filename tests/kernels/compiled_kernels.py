"""Compile every Triton kernel for one CUDA capability: `python tests/kernels/compiled_kernels.py 90 [name]`.

Prints registers, stack bytes (spills) and shared memory where cuobjdump, which Triton brings, can say; fails when a
kernel does not compile or wants more shared memory than the device has.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from calibaudit.kernels.triton_kernels import anchored, anchored_retained, backward, forward, gather, products, retained

SHARED = {80: 163 << 10, 90: 227 << 10}
STEPS = ("h_row", "h_column", "w_row", "w_column", "bias_step")
FLOATS = {"inner_scale", "cap_bits", "hard", "share", "soft", "threshold"}
POINTERS = {
    "lse": "*fp32", "prior_lse": "*fp32", "upstream": "*fp32", "targets": "*i64", "planes": "*u8", "low": "*u8",
    "factor": "*fp32", "top_out": "*fp32", "total_out": "*fp32", "token_out": "*i32", "logits_out": "*fp32",
    "prior_top_out": "*fp32", "prior_total_out": "*fp32", "product_out": "*fp32", "bias_out": "*fp32",
    "target_logit": "*fp32", "prior_planes": "*u8", "q_target": "*fp32",
    "kept_out": "*i32", "mass_out": "*bf16", "order": "*i32", "count": "*i32", "spread": "*fp32", "shift": "*fp32",
    "top_in": "*fp32", "total_in": "*fp32", "token_in": "*i32", "logits_in": "*fp32", "prior_top_in": "*fp32",
    "prior_total_in": "*fp32", "product_in": "*fp32", "lse_out": "*fp32", "prior_lse_out": "*fp32",
    "mean_out": "*fp32", "h": "*bf16", "w": "*bf16", "a": "*bf16", "b": "*bf16", "out": "*bf16", "bias": "*bf16",
    "prior_h": "*bf16", "prior_w": "*bf16", "prior_bias": "*bf16",
}  # fmt: skip


def compile_for(
    capability: int, kernel: Any, constants: dict[str, Any], types: dict[str, str], warps: int, stages: int
) -> str:
    """Registers, stack and shared memory of the kernel's machine code, or an error."""
    signature: dict[str, str] = {}
    values: dict[tuple[int], Any] = {}
    aligned: dict[tuple[int], Any] = {}
    for place, parameter in enumerate(kernel.params):
        name = parameter.name
        if name in constants:
            signature[name] = "constexpr"
            values[(place,)] = constants[name]
            continue
        base = name.removeprefix("prior_")
        signature[name] = types.get(name) or POINTERS.get(name) or ("fp32" if base in FLOATS else "i32")
        if signature[name].startswith("*") or base in ("depth", "h_row", "w_row", "out_row", "a_row", "b_row"):
            aligned[(place,)] = [["tt.divisibility", 16]]
    built = triton.compile(
        ASTSource(kernel, signature, values, aligned),
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": warps, "num_stages": stages},
    )
    shared = built.metadata.shared
    if shared > SHARED[capability]:
        raise SystemExit(f"{kernel.__name__}: {shared} bytes of shared memory, above {SHARED[capability]}")
    return f"{shared} bytes of shared memory{_resources(built.asm['cubin'])}"


def _resources(cubin: bytes) -> str:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    if not tool.exists():
        return ""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        said = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=False)
    found = re.search(r"REG:(\d+) STACK:(\d+)", said.stdout + said.stderr)
    return f", {found[1]} registers, {found[2]} bytes of stack" if found else ""


def tile(descriptor: bool, rows: int, columns: int) -> str:
    return f"tensordesc<bf16[{rows}, {columns}]>" if descriptor else "*bf16"


def head(
    prefix: str, columns: int, descriptor: bool, bias: bool, softcap: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Constants and types of one head of 128-row blocks."""
    constants = {
        "BIAS": bias, "SOFTCAP": softcap, "DESCRIPTOR": descriptor, "COMPUTE": tl.bfloat16, "h_column": 1,
        "w_column": 1,
    } | ({"bias_step": 1} if bias else {"bias_step": 0})  # fmt: skip
    types = {"h": tile(descriptor, 128, 64), "w": tile(descriptor, columns, 64)}
    return {prefix + k: v for k, v in constants.items()}, {prefix + k: v for k, v in types.items()}


def everything(capability: int) -> list[tuple[str, Any, dict[str, Any], dict[str, str], int, int]]:
    descriptor = capability >= 90
    plain, plain_types = head("", 256, descriptor, False, False)
    full, full_types = head("", 256, descriptor, True, True)
    shape = {"ROWS": 128, "COLUMNS": 256, "DEPTH": 64}
    single = {"n_rows": 1}  # Triton makes a constant of 1
    dlogits = {
        "PROGRAMS": 132,
        "OUT_DESCRIPTOR": descriptor,
        "RESULT": tl.bfloat16,
        "GROUP": backward.GROUP,
        "FLATTEN": backward.FLATTEN,
    }
    out = {"out": tile(descriptor, 128, 256)}
    both, both_types = head("", 128, descriptor, True, True)
    prior, prior_types = head("prior_", 128, descriptor, False, False)
    two = {"ROWS": 128, "COLUMNS": 128, "DEPTH": 64}

    def product(transposed: bool) -> tuple[dict[str, Any], dict[str, str]]:
        constants = {
            "PROGRAMS": 132, "GROUP": 8, "TRANSPOSED": transposed, "DESCRIPTOR": descriptor, "COMPUTE": tl.bfloat16,
            "RESULT": tl.bfloat16, "SPLIT": not transposed, "FIRST": transposed, "LAST": transposed, "FACTOR": False,
            "FLATTEN": False, "a_column": 1, "b_column": 1,
        }  # fmt: skip
        left = (64, 128) if transposed else (128, 64)
        types = {"a": tile(descriptor, *left), "b": tile(descriptor, 64, 256)}
        return shape | constants, types if transposed else types | {"out": "*i16"}

    sweep = {"TOP": False, "MEAN": False, "SLOT": 0, "SCALE_FIRST": False, "FLATTEN": False}
    return [
        ("sweep", forward._sweep_kernel, shape | plain | sweep, plain_types, 8, 3),
        ("sweep, all options, one row", forward._sweep_kernel,
         shape | full | single | sweep | {"TOP": True, "MEAN": True, "SCALE_FIRST": True}, full_types, 8, 3),
        ("sweep, logits kept", forward._sweep_kernel, shape | plain | sweep | {"SLOT": 256, "FLATTEN": forward.FLATTEN},
         plain_types | {"slot_step": "i64"}, 8, 3),
        ("join", forward._join_kernel, {"TOP": True, "MEAN": True, "ROWS": 256, "n_shares": 1},
         {"top_out": "*fp32", "token_out": "*i64"}, 4, 3),
        ("targets", gather._target_kernel,
         {"DEPTH": 512, "BIAS": True, "SOFTCAP": True, "h_column": 1, "w_column": 1, "n_targets": 1},
         {"out": "*fp32"}, 4, 3),
        ("mean row", gather._column_sum_kernel, {"ROWS": 64, "COLUMNS": 128, "column_step": 1},
         {"out": "*fp32"}, 4, 3),
        ("dlogits", backward._dlogits_kernel, shape | plain | dlogits | {"SLOPE": False, "BIAS_GRADIENT": False},
         plain_types | out, 8, 3),
        ("dlogits, all options", backward._dlogits_kernel,
         shape | full | dlogits | {"SLOPE": True, "BIAS_GRADIENT": True}, full_types | out, 8, 3),
        ("kept logits to dlogits", retained._expand_kernel,
         {"ROWS": 128, "COLUMNS": 256, "BIAS_GRADIENT": True, "RESULT": tl.bfloat16}, {}, 8, 3),
        ("dH", products._product_kernel, *product(False), 8, 3),
        ("dW", products._product_kernel, *product(True), 8, 3),
        ("anchored sweep", anchored._sweep_kernel, two | both | prior | {"FLATTEN": anchored.SWEEP_FLATTEN, "SLOT": 0},
         both_types | prior_types, 8, 4),
        ("anchored sweep, logits kept", anchored._sweep_kernel,
         two | both | prior | {"FLATTEN": anchored.SWEEP_FLATTEN, "SLOT": 128},
         both_types | prior_types | {"slot_step": "i64"}, 8, 4),
        ("anchored dlogits, all options", anchored._student_kernel, shape | full | dlogits | {"BIAS_GRADIENT": True},
         full_types | {"out": tile(descriptor, 128, 128), "q_in": "*fp16"}, 8, 3),
        ("anchored, kept logits to dlogits", anchored_retained._expand_kernel,
         {"ROWS": 128, "COLUMNS": 128, "BIAS_GRADIENT": True, "RESULT": tl.bfloat16}, {"slot_step": "i64"}, 8, 3),
    ]  # fmt: skip


if __name__ == "__main__":
    target = int(sys.argv[1])
    for name, *rest in everything(target):
        if len(sys.argv) < 3 or sys.argv[2] == name:
            print(f"{name}: compiled, {compile_for(target, *rest)}", flush=True)
