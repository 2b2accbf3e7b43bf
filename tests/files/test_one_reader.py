"""What others wrote is parsed in `files` and nowhere else: the limits are there. Exceptions have a reason."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "calibaudit"

PARSERS = {
    "json.load", "json.loads", "json.JSONDecoder", "csv.reader", "csv.DictReader", "gzip.open", "gzip.decompress",
    "zipfile.ZipFile", "tarfile.open", "pickle.load", "pickle.loads", "tomllib.load", "tomllib.loads", "yaml.load",
    "yaml.safe_load", "yaml.full_load", "yaml.parse", "torch.load", "np.load",
}  # fmt: skip
METHODS = {"read_text", "read_bytes"}

ALLOWED = {
    "models/distributed.py": {"pickle.loads"},  # between the processes of one run
    "training/trainer.py": {"torch.load"},  # its own schedule, weights_only
    "report/document/html.py": {"read_text"},  # the package's own style sheet
    "demo/facts.py": {"json.loads", "read_text"},  # the package's own questions
    "models/cpu/waiting.py": {"read_text"},  # what the kernel says of this process
    "scoring/engines/remembered.py": {"read_bytes"},  # the package's own modules
}


def calls(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            found |= {f"{owner}.{node.func.attr}"} & PARSERS
            found |= {node.func.attr} & METHODS
    return found


def test_nothing_else_parses_what_others_wrote() -> None:
    found = {
        name: there
        for path in sorted(PACKAGE.rglob("*.py"))
        if not (name := path.relative_to(PACKAGE).as_posix()).startswith("files/") and (there := calls(path))
    }
    assert found == ALLOWED


def test_a_parser_would_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("import json\ndef f(p):\n    return json.loads(p.read_text('utf-8'))\n")
    assert calls(path) == {"json.loads", "read_text"}
