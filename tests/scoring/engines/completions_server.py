"""An HTTP server on a free port that speaks /v1/completions in the shapes that real servers document, over a real
transformers model. A stand-in for vLLM, SGLang, llama-cpp-python and hosted APIs: what they compute is not in it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch

Body = dict[str, Any]


@dataclass
class Behaviour:
    """shape: `prompt_logprobs` (vLLM), `echo`, `next` (top_logprobs) or `content` (llama.cpp).

    takes_ids, takes_text: else they are refused. echo_with: with other max_tokens, echo is refused. adds_bos,
    hides_bos: of texts. shifted: each log-probability stands one token too late. n_most: a longer list is refused.
    altered: of each answer before it goes out. fault: given the number of a completion request, from 1, what to answer
    with: a status, headers and content, or "cut", nothing.
    """

    shape: str = "prompt_logprobs"
    takes_ids: bool = True
    takes_text: bool = True
    echo_with: tuple[int, ...] = (0, 1)
    adds_bos: bool = False
    hides_bos: bool = False
    shifted: bool = False
    n_most: int = 20
    usage: bool = True
    slow: float = 0.0
    key: str | None = None
    names: tuple[str, ...] = ("made",)
    declared: Body = field(default_factory=dict)
    altered: Callable[[Body], Any] = lambda answer: answer
    fault: Callable[[int], Any] = lambda n: None


class CompletionsServer:
    """Use as a context manager. requests: the bodies, in order. headers: theirs. prompts: the tokens that were run."""

    def __init__(self, network: Any, tokenizer: Any, behaviour: Behaviour, port: int = 0) -> None:
        self.network, self.tokenizer, self.behaviour = network, tokenizer, behaviour
        self.requests: list[Body] = []
        self.prompts: list[list[int]] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def name(self, model: str = "made") -> str:
        return f"server:{self.url}#{model}"

    def __enter__(self) -> CompletionsServer:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, body: Body) -> Body:
        """Raises ValueError with what a server says to a request that it does not take."""
        how, prompt = self.behaviour, body["prompt"]
        if isinstance(prompt, list) and not how.takes_ids:
            raise ValueError("prompt: Input should be a valid string")
        if isinstance(prompt, str) and not how.takes_text:
            raise ValueError("ids only")
        if body.get("echo") and body["max_tokens"] not in how.echo_with:
            raise ValueError(f"echo: not with max_tokens {body['max_tokens']}")
        if (body.get("logprobs") or 0) > how.n_most:
            raise ValueError(f"logprobs: at most {how.n_most}")
        ids = prompt if isinstance(prompt, list) else self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        added = how.adds_bos and isinstance(prompt, str)
        if added:
            ids = [self.tokenizer.bos_token_id, *ids]
        with self.lock, torch.no_grad():
            logprobs = self.network(torch.tensor([ids])).logits[0].float().log_softmax(-1)
        self.prompts.append(ids)
        values = [None, *logprobs[:-1].gather(1, torch.tensor(ids[1:]).view(-1, 1))[:, 0].tolist()]
        if how.shifted:
            values = [None, None, *values[1:-1]]
            values[1] = -1.0
        best = int(logprobs[-1].argmax())
        text = self.tokenizer.decode([best])
        choice: Body = {"index": 0, "text": text, "finish_reason": "length", "logprobs": None}
        if how.shape == "prompt_logprobs" and body.get("prompt_logprobs") is not None:
            choice["prompt_logprobs"] = [
                None if v is None else {str(i): {"logprob": v, "rank": 1, "decoded_token": self.text(i)}}
                for i, v in zip(ids, values, strict=True)
            ]
        if how.shape == "echo" and body.get("echo") and body.get("logprobs"):
            shown = slice(1 if added and how.hides_bos else 0, None)
            tokens, numbers = [self.text(i) for i in ids[shown]], [None, *values[shown][1:]]
            if body["max_tokens"]:
                tokens, numbers = [*tokens, text], [*numbers, float(logprobs[-1, best])]
            choice["logprobs"] = {"tokens": tokens, "token_logprobs": numbers, "text_offset": [0] * len(tokens)}
        elif body.get("logprobs"):
            choice["logprobs"] = self.listed(logprobs[-1], body)
        usage = {"usage": {"prompt_tokens": len(ids), "completion_tokens": 1}} if how.usage else {}
        return {"id": "cmpl-1", "object": "text_completion", "choices": [choice], **usage}

    def listed(self, logprobs: torch.Tensor, body: Body) -> Body:
        values, ids = logprobs.topk(body["logprobs"])
        pairs = list(zip(ids.tolist(), values.tolist(), strict=True))
        if self.behaviour.shape == "content":
            tops = [{"id": i, "token": self.text(i), "bytes": [], "logprob": v} for i, v in pairs]
            return {"content": [{**tops[0], "top_logprobs": tops}]}
        as_ids = body.get("return_tokens_as_token_ids") and self.behaviour.shape == "prompt_logprobs"
        return {"top_logprobs": [{f"token_id:{i}" if as_ids else self.text(i): v for i, v in pairs}]}

    def text(self, id_: int) -> str:
        return str(self.tokenizer.decode([id_]))


def _handler(server: CompletionsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def reply(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def refused_key(self) -> bool:
            given, key = self.headers.get("Authorization", ""), server.behaviour.key
            if key is None or given == f"Bearer {key}":
                return False
            self.reply(401, {"error": {"message": f"Incorrect API key provided: {given.removeprefix('Bearer ')}"}})
            return True

        def do_GET(self) -> None:
            if not self.refused_key():
                data = [{"id": name, "object": "model", **server.behaviour.declared} for name in server.behaviour.names]
                self.reply(200, {"object": "list", "data": data})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                server.requests.append(body)
                server.headers.append(dict(self.headers))
                number = len(server.requests)
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            time.sleep(server.behaviour.slow)
            with server.lock:  # before the answer: who has that may ask again at once
                server.at_once -= 1
            self.answered(body, number)

        def answered(self, body: Body, number: int) -> None:
            fault = server.behaviour.fault(number)
            if fault == "cut":
                self.close_connection = True
                return
            if fault is not None:
                status, headers, content = fault
                self.reply(status, content, headers)
            elif not self.refused_key():
                try:
                    answer = server.answer(body)
                except ValueError as error:
                    self.reply(400, {"error": {"message": str(error), "code": 400}})
                else:
                    self.reply(200, server.behaviour.altered(answer))

    return Handler
