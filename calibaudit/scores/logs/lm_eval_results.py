"""What the results file beside the samples says of a run: the model, a task's settings, how prompts were written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.files.read import read_json
from calibaudit.scores.prompt_format import PromptFormat
from calibaudit.scores.scores import ModelInfo


@dataclass(frozen=True)
class RunOfTask:
    """One task in one run. config: of the task; empty where no results file says it.

    is_known: whether there is a results file, so that the model is named by more than its folder.
    """

    model: ModelInfo
    config: Mapping[str, Any]
    version: str
    chat_template: bool
    prompt: PromptFormat | None
    is_known: bool

    def text(self, key: str) -> str:
        """A text of the config that holds no template; "" for any other."""
        value = self.config.get(key)
        return value if isinstance(value, str) and "{{" not in value and "{%" not in value else ""


def read_run(file: Path, date: str, task: str) -> RunOfTask:
    """Of the sample file of this task; without a readable results file of that date as much as the folder says."""
    results = _results(file, date)
    configs = results.get("configs")
    config = configs.get(task) if isinstance(configs, dict) else None
    config = config if isinstance(config, dict) else {}
    template = results.get("chat_template")
    return RunOfTask(
        model=_model(file, results),
        config=config,
        version=_version(results, config, task),
        chat_template=bool(template),
        prompt=_prompt(results, config, task) if results else None,
        is_known=bool(results),
    )


def _results(file: Path, date: str) -> dict[str, Any]:
    if not date:
        return {}
    try:
        found = read_json(file.parent / f"results_{date}.json", ScoresError, finite=False)
    except ScoresError:
        return {}
    return found if isinstance(found, dict) else {}


def _version(results: Mapping[str, Any], config: Mapping[str, Any], task: str) -> str:
    """The task's; the harness writes `Yaml` for a file that says none, which is 0 in a task file."""
    named = (results.get("versions") or {}).get(task)
    if named in (None, "Yaml"):
        named = (config.get("metadata") or {}).get("version", 0)
    return str(named)


def _prompt(results: Mapping[str, Any], config: Mapping[str, Any], task: str) -> PromptFormat:
    """The harness scores where the template's generation prompt ends."""
    shots = (results.get("n-shot") or {}).get(task, config.get("num_fewshot"))
    n_fewshot = shots if isinstance(shots, int) else None
    template = results.get("chat_template")
    multiturn = results.get("fewshot_as_multiturn")
    digest = str(results.get("chat_template_sha") or "")
    system, prefix = results.get("system_instruction"), config.get("gen_prefix")
    return PromptFormat(
        template=digest[:16] if template else "",
        named="auto" if template else "off",
        answer_at="generation-prompt" if template else "auto",
        kwargs=_template_arguments(results) if template else "",
        multiturn=multiturn if template and n_fewshot and isinstance(multiturn, bool) else None,
        system=system if isinstance(system, str) else "",
        answer_prefix=prefix if isinstance(prefix, str) else "",
        n_fewshot=n_fewshot,
    )


def _template_arguments(results: Mapping[str, Any]) -> str:
    arguments = _model_arguments(results)
    chosen = arguments.get("chat_template_args")
    found = dict(chosen) if isinstance(chosen, dict) else {}
    if "enable_thinking" in arguments:
        found["enable_thinking"] = arguments["enable_thinking"]
    return json.dumps(found, sort_keys=True) if found else ""


def _model_arguments(results: Mapping[str, Any]) -> dict[str, Any]:
    arguments = (results.get("config") or {}).get("model_args") or {}
    if isinstance(arguments, str):
        return dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    return arguments if isinstance(arguments, dict) else {}


def _model(file: Path, results: Mapping[str, Any]) -> ModelInfo:
    config, arguments = results.get("config") or {}, _model_arguments(results)
    return ModelInfo(
        name=str(arguments.get("pretrained") or arguments.get("model") or file.parent.name),
        revision=str(config.get("model_sha") or config.get("model_revision") or "unknown"),
        dtype=str(config.get("model_dtype") or "unknown").removeprefix("torch."),
        device=str(config.get("device") or "unknown"),
        family="unknown",
        n_parameters=max(0, int(config.get("model_num_parameters") or 0)),
        vocab_size=0,
        head=f"logged by lm-evaluation-harness {results.get('lm_eval_version', '0.4')}",
    )
