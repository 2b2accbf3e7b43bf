"""HELM 0.5.16's scenario states of the sample, run in this folder with a link demo-base to calibaudit/demo/base.

Adapter, executor and client are HELM's; the scenario is not one of its own, so that the run is put together here, and
run_spec.json and scenario_state.json are written as its runner does (but for the indentation).
"""

import json
import tempfile
from pathlib import Path

from helm.benchmark import model_deployment_registry as deployments
from helm.benchmark import model_metadata_registry as models
from helm.benchmark import tokenizer_config_registry as tokenizers
from helm.benchmark.adaptation.adapter_spec import AdapterSpec
from helm.benchmark.adaptation.adapters.adapter_factory import AdapterFactory
from helm.benchmark.adaptation.scenario_state import ScenarioState
from helm.benchmark.executor import ExecutionSpec, Executor
from helm.benchmark.run_spec import RunSpec
from helm.benchmark.scenarios.scenario import CORRECT_TAG, Input, Instance, Output, Reference, ScenarioSpec
from helm.benchmark.window_services.tokenizer_service import TokenizerService
from helm.common.authentication import Authentication
from helm.common.general import asdict_without_nones

NAME = "demo/base"
of = {"pretrained_model_name_or_path": "demo-base"}
client = deployments.ClientSpec(
    "helm.clients.huggingface_client.HuggingFaceClient", {**of, "torch_dtype": "torch.float32"}
)
models.register_model_metadata(models.get_unknown_model_metadata(NAME))
deployments.register_model_deployment(
    deployments.ModelDeployment(
        name=NAME, client_spec=client, model_name=NAME, tokenizer_name=NAME, max_sequence_length=512
    )
)
spec = tokenizers.TokenizerSpec("helm.tokenizers.huggingface_tokenizer.HuggingFaceTokenizer", of)
tokenizers.register_tokenizer_config(
    tokenizers.TokenizerConfig(NAME, spec, end_of_text_token="</s>", prefix_token="<s>")
)
instances = []
for line in Path("questions.jsonl").read_text().splitlines()[:3]:
    r = json.loads(line)
    references = [
        Reference(Output(choice), tags=[CORRECT_TAG] if i == r["answer"] else [])
        for i, choice in enumerate(r["choices"])
    ]
    instances.append(Instance(input=Input(r["question"]), references=references, split="test", id=r["id"]))
for method in ("separate_original", "separate_calibrated", "joint"):
    adapter = AdapterSpec(
        method=f"multiple_choice_{method}",
        input_prefix="Question: ",
        reference_prefix="A. ",
        output_prefix="Answer: ",
        output_suffix="",
        max_train_instances=0,
        num_outputs=5 if method == "joint" else 1,
        num_train_trials=1,
        model=NAME,
        model_deployment=NAME,
        temperature=0.0,
        max_tokens=1 if method == "joint" else 0,
        stop_sequences=["\n"],
    )
    executor = Executor(ExecutionSpec(url=None, auth=Authentication(""), local_path=tempfile.mkdtemp(), parallelism=1))
    states = AdapterFactory.get_adapter(adapter, TokenizerService(executor.context)).adapt(instances, 1)
    done = executor.execute(ScenarioState(adapter_spec=adapter, request_states=states))
    name = f"words:method=multiple_choice_{method},model=demo_base"
    run = RunSpec(name=name, scenario_spec=ScenarioSpec("words.Words", {}), adapter_spec=adapter, metric_specs=[])
    folder = Path("helm") / method
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run_spec.json").write_text(json.dumps(asdict_without_nones(run)))
    (folder / "scenario_state.json").write_text(json.dumps(asdict_without_nones(done)))
