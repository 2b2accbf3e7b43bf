"""OpenCompass 0.5.4's predictions of the sample, run in this folder with a link demo-base to calibaudit/demo/base."""

import json
from pathlib import Path

from datasets import Dataset, DatasetDict
from opencompass.models import HuggingFaceBaseModel
from opencompass.openicl.icl_dataset_reader import DatasetReader
from opencompass.openicl.icl_inferencer import PPLInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import ZeroRetriever

rows = []
for line in Path("questions.jsonl").read_text().splitlines():
    r = json.loads(line)
    rows.append(
        {"question": r["question"], **dict(zip("ABCD", r["choices"], strict=True)), "answer": "ABCD"[r["answer"]]}
    )


class Words:
    def __init__(self) -> None:
        data = Dataset.from_list(rows)
        columns = ["question", *"ABCD"]
        self.reader = DatasetReader(DatasetDict(train=data, test=data), input_columns=columns, output_column="answer")
        self.train, self.test = self.reader.dataset["train"], self.reader.dataset["test"]


options = {"torch_dtype": "torch.float32", "device_map": None}
model = HuggingFaceBaseModel(path="demo-base", max_seq_len=512, model_kwargs=options)
head = "Question: {question}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\nAnswer:"
templates = {
    "words_letter": {k: f"{head} {k}" for k in "ABCD"},
    "words_cloze": {k: f"Question: {{question}}\nAnswer: {{{k}}}" for k in "ABCD"},
}
for name, template in templates.items():
    inferencer = PPLInferencer(
        model=model, batch_size=1, output_json_filepath="out/demo-base", output_json_filename=f"{name}.json"
    )
    inferencer.inference(ZeroRetriever(Words()), prompt_template=PromptTemplate(template))
