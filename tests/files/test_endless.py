"""What computes on and on or fills the memory ends within 5 seconds of computing and 500 MB, with a reason.

All of it in one child, whose memory the system bounds: what a limit lets pass fails here and not on the machine.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from calibaudit.files.limits import TooMuch, limited

ROOT = Path(__file__).resolve().parents[2]
CASES = {
    "yaml aliases": "its aliases stand for more than 200,000 values",
    "yaml merges": "its aliases stand for more than 200,000 values",
    "json twice": "key 'k99999' occurs twice",
    "toml parts": "a key of more than 100 parts",
    "loops": "not finished after 0.5 seconds",
    "loops in a thread": "not finished after 0.5 seconds",
    "folded text": "asks for more than 400 MB",
    "text": "asks for more than 400 MB",
    "doubling": "asks for more than 400 MB",
    "padding": "asks for more than 400 MB",
    "power": "0.5 seconds",
    "long text": "the limit is 1,000,000",
    "recursion": "RecursionError",
    "deep template": "nested too deeply",
    "deep blocks": "not a valid Jinja template",
    "constants": "asks for more than 400 MB",
    "pattern": "not finished after 0.5 seconds",
    "pattern in a thread": "not finished after 0.5 seconds",
}
"""What is to run out of time is given half a second, and not two: tests/chat holds the two."""
CHILD = """
import json, resource, sys, threading, time

import regex, yaml  # imported before what is measured
from pathlib import Path
from calibaudit.errors import CalibauditError, TaskError
from calibaudit.files.read import decode_json
from calibaudit.files.toml_text import read_toml
from calibaudit.tasks.templates import Field
from calibaudit.tasks.yaml_file import read_source

from calibaudit.files import limits

folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

def source(text):
    path = folder / "t.yaml"
    path.write_text(text)
    return lambda: read_source(path)

def toml(text):
    path = folder / "t.toml"
    path.write_text(text)
    return lambda: read_toml(path, CalibauditError)

def template(text, row=None):
    return lambda: Field("doc_to_text", text, ())(row or {"n": 10**9, "s": "a" * 40 + "!"})

def named_and_written(text):
    def work():
        field = Field("doc_to_text", text, ())
        field.names  # for which Jinja computes what is constant
        field({})
    return work
def in_thread(work):
    def run():
        found = []
        def inner():
            try:
                work()
            except BaseException as error:
                found.append(error)
        thread = threading.Thread(target=inner)
        thread.start()
        thread.join()
        raise found[0]
    return run

aliases = "a0: &a0 [x]\\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i-1}'] * 9)}]\\n" for i in range(1, 30))
merges = "a0: &a0 {x: 1}\\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i-1}'] * 9)}]}}\\n" for i in range(1, 30))
pairs = ", ".join([f'"k{i}": 1' for i in range(100_000)] + ['"k99999": 2'])
inner = "{% for j in range(n // 10**5) %}{% if i < 0 %}x{% endif %}{% endfor %}"
loops = "{% for i in range(n // 10**5) %}" + inner + "{% endfor %}"
double = "{% set o = namespace(x='a') %}{% for i in range(40) %}{% set o.x = o.x ~ o.x %}{% endfor %}"
pattern = "{{ s | regex_replace('(a+)+$', '') }}"
cases = {
    "yaml aliases": source(aliases),
    "yaml merges": source(merges),
    "json twice": lambda: decode_json("{" + pairs + "}", unique_keys=True),
    "toml parts": toml(".".join(["a"] * 100_000) + " = 1"),
    "loops": template(loops),
    "loops in a thread": in_thread(template(loops)),
    "folded text": template("{{ 'a' * 10**9 }}"),
    "text": template("{{ 'a' * n }}"),
    "doubling": template(double),
    "padding": template("{{ s.ljust(n) }}"),
    "power": template("{{ (7 ** n) % 2 }}"),
    "long text": template("{{ 'a' * (n // 100) }}"),
    "recursion": template("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
    "deep template": template("{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}"),
    "deep blocks": template("{% for i in [1] %}" * 150 + "{% endfor %}" * 150),
    "constants": named_and_written("{{ '%1000000000d' | format(1) }}"),
    "pattern": template(pattern),
    "pattern in a thread": in_thread(template("{{ s | regex_replace('(a|aa)+$', '') }}", {"s": "a" * 60 + "!"})),
}
for name, work in cases.items():
    limits.SECONDS = 0.5 if name.startswith(("loops", "pattern", "power")) else 2.0
    limits.limited.__wrapped__.__defaults__ = (limits.SECONDS, limits.MEGABYTES)
    begin, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        work()
        kind, told = "none", "it was accepted"
    except BaseException as error:
        kind, told = ("known" if isinstance(error, (CalibauditError, ValueError)) else "raw"), str(error)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps([name, kind, told[:300], time.process_time() - begin, grown]), flush=True)
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    folder = tmp_path_factory.mktemp("endless")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: rest for name, *rest in map(json.loads, done.stdout.splitlines())}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory")
@pytest.mark.parametrize("name", CASES)
def test_it_ends_with_a_reason(name: str, ended: dict[str, list]) -> None:
    kind, told, seconds, megabytes = ended[name]
    assert kind == "known", told
    assert CASES[name] in told
    assert "\n" not in told
    assert seconds < 5
    assert megabytes < 500


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says how much memory a process has")
def test_no_other_thread_is_kept_from_memory() -> None:
    """A template is rendered while another thread reads a model or computes: the limit would be that thread's too."""
    import resource

    def inside() -> int:
        with limited():
            return resource.getrlimit(resource.RLIMIT_AS)[0]

    before = resource.getrlimit(resource.RLIMIT_AS)[0]
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        assert inside() == before
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(inside).result() == before
    finally:
        done.set()
        other.join()
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says how much memory a process has")
def test_a_progress_bar_shown_once_does_not_lift_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """tqdm, and with it `datasets`, leaves a thread that looks after bars."""
    import resource

    import tqdm

    with tqdm.tqdm(total=1, file=io.StringIO()):
        pass
    found = [thread for thread in threading.enumerate() if thread.name == "tqdm_monitor"]
    assert found
    # Without the threads of pytest's own workers.
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.current_thread(), *found])
    with limited():
        assert resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def test_a_thread_is_stopped_and_later_ones_are_not() -> None:
    def endless(seconds: float) -> None:
        with limited(seconds):
            while True:
                pass

    def short() -> int:
        with limited(0.3):
            return 7

    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            with pytest.raises(TooMuch, match=r"not finished after 0\.3 seconds"):
                pool.submit(endless, 0.3).result()
            assert pool.submit(short).result() == 7
        time.sleep(0.5)  # nothing is left to be stopped
        assert pool.submit(short).result() == 7
