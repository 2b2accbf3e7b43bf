"""Rows are compared with what was written into the files; hub and Parquet through `datasets` and pyarrow themselves."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import datasets
import pyarrow
import pytest
from pyarrow import parquet

from calibaudit.chat.messages import Conversation, Message
from calibaudit.errors import CalibauditError, SftError
from calibaudit.training.data import sources
from calibaudit.training.data.rows import Completion, OneRow, PlainText, Row, read_row, read_rows

TURNS = (Message("user", "a?"), Message("assistant", "b"))
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]}
LOOKED_FOR = (
    "messages, conversations, prompt + completion, instruction + output, instruction + response, question + response, "
    "question + answer, query + response, text"
)
SUFFIXES = ".jsonl, .json, .csv, .parquet, .jsonl.gz, .json.gz, .csv.gz"
ROLES = "system, developer, user, assistant, tool"
SHARED: dict[str, Any] = {"conversations": [{"from": "human", "value": "a?"}, {"from": "gpt", "value": "b"}]}


def write(path: Path, *rows: Any) -> str:
    """JSONL; text and bytes stand as they are."""
    lines = (row if isinstance(row, (str, bytes)) else json.dumps(row) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines) + b"\n")
    return str(path)


def read_one(tmp_path: Path, row: Any) -> Row:
    rows = read_rows(write(tmp_path / "f.jsonl", row))
    assert (rows.n_read, rows.faults) == (1, ())
    return rows.rows[0]


SYSTEM = Message("system", "s")
TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}
TOOLS = '[{"type": "function", "function": {"name": "look", "parameters": {}}}]'


class TestKinds:
    @pytest.mark.parametrize(
        ("row", "expected"),
        [
            (CHAT, Conversation(TURNS, "PLACE")),
            ({**CHAT, "source": "web", "score": 3}, Conversation(TURNS, "PLACE")),
            (SHARED, Conversation(TURNS, "PLACE")),
            ({"conversations": CHAT["messages"]}, Conversation(TURNS, "PLACE")),
            ({"prompt": "a?", "completion": "b"}, Completion("a?", "b", "PLACE")),
            ({"prompt": "a?", "completion": "b", "text": None}, Completion("a?", "b", "PLACE")),
            (
                {"prompt": CHAT["messages"], "completion": [{"role": "assistant", "content": "c"}]},
                Conversation((*TURNS, Message("assistant", "c")), "PLACE", 2),
            ),
            ({"instruction": "a?", "output": "b"}, Completion("a?", "b", "PLACE", "\n\n")),
            ({"instruction": "a?", "input": "", "output": "b"}, Completion("a?", "b", "PLACE", "\n\n")),
            ({"instruction": "a?", "input": "c", "output": "b"}, Completion("a?\n\nc", "b", "PLACE", "\n\n")),
            ({"instruction": "a?", "output": "b", "text": "d"}, Completion("a?", "b", "PLACE", "\n\n")),
            ({"instruction": "a?", "context": "c", "response": "b", "category": "d"},
             Completion("a?\n\nc", "b", "PLACE", "\n\n")),
            ({"instruction": "a?", "context": "", "response": "b"}, Completion("a?", "b", "PLACE", "\n\n")),
            ({"system_prompt": "s", "question": "a?", "response": "b"}, Conversation((SYSTEM, *TURNS), "PLACE")),
            ({"system_prompt": "", "question": "a?", "response": "b"}, Completion("a?", "b", "PLACE", "\n\n")),
            ({"question": "a?", "answer": "b"}, Completion("a?", "b", "PLACE", "\n\n")),
            ({"query": "a?", "response": "b"}, Completion("a?", "b", "PLACE", "\n\n")),
            ({"messages": json.dumps(CHAT["messages"])}, Conversation(TURNS, "PLACE")),
            ({"conversations": json.dumps(SHARED["conversations"])}, Conversation(TURNS, "PLACE")),
            ({"text": "a b"}, PlainText("a b", "PLACE")),
            ({"messages": None, "text": "a b"}, PlainText("a b", "PLACE")),
        ],
    )  # fmt: skip
    def test_by_their_keys(self, row: dict[str, Any], expected: Row, tmp_path: Path) -> None:
        read = read_one(tmp_path, row)
        assert read.place == f"{tmp_path / 'f.jsonl'}:1"
        assert repr(read).replace(read.place, "PLACE") == repr(expected)

    def test_one_file_may_mix_them(self, tmp_path: Path) -> None:
        rows = read_rows(write(tmp_path / "f.jsonl", CHAT, {"text": "a"}, SHARED))
        assert [type(row) for row in rows.rows] == [Conversation, PlainText, Conversation]

    def test_content_in_parts_and_an_empty_system_turn(self, tmp_path: Path) -> None:
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        turns = [{"role": "system", "content": ""}, {"role": "assistant", "content": parts}]
        read = read_one(tmp_path, {"messages": turns})
        assert isinstance(read, Conversation)
        assert read.messages == (Message("system", ""), Message("assistant", "ab"))


def turns(*pairs: tuple[Any, Any], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content, **more} for role, content in pairs]}


class TestFaults:
    @pytest.mark.parametrize(
        ("row", "fault"),
        [
            (turns(("user", "a")), "no assistant turn"),
            (
                {"prompt": CHAT["messages"], "completion": [{"role": "user", "content": "c"}]},
                "no assistant turn in the completion",
            ),
            (turns(("user", ""), ("assistant", "b")), "messages: turn 1: is empty"),
            (turns(("user", "a"), ("assistant", " \n")), "messages: turn 2: is empty"),
            (turns(("user", "a"), ("assistant", None)), "messages: turn 2: expected text, found null"),
            (turns(("user", 3), ("assistant", "b")), "messages: turn 1: expected text, found a number"),
            (turns(("wizard", "a")), f"messages: turn 1: unknown role 'wizard': known are {ROLES}"),
            (turns((["user"], "a")), f"messages: turn 1: unknown role ['user']: known are {ROLES}"),
            (turns(("assistant", "a"), tool_calls=[{"name": "f"}]),
             "messages: turn 1: has tool_calls, which is not read; write it into the content, or leave it out"),
            (turns(("user", [{"type": "image", "image": "a.png"}])),
             "messages: turn 1: a part of its content is not text; only text is trained on"),
            ({"messages": []}, "messages: there are no messages in it"),
            ({"messages": "a"}, "messages: expected a list of messages, found text"),
            ({"messages": ["a"]}, "messages: turn 1: expected an object with role and content, found text"),
            ({"messages": [{"content": "a"}]}, "messages: turn 1: it says neither role nor from; it has content"),
            ({"messages": None}, "messages: expected a list of messages, found null"),
            ({"prompt": "a", "completion": CHAT["messages"]},
             "prompt and completion must both be text, or both lists of messages"),
            ({"prompt": "a", "completion": None}, "completion: expected text, found null"),
            ({"instruction": "a", "output": ""}, "output: is empty"),
            ({"instruction": "a", "input": 3, "output": "b"}, "input: expected text, found a number"),
            ({"text": " "}, "text: is empty"),
            ({"text": "a \ud800 b"}, r"not valid JSON: \ud800 is half a character (a lone surrogate)"),
            ({"messages": "[{"},
             "messages: not valid JSON: Expecting property name enclosed in double quotes (column 3)"),
            ({"question": "a?", "answer": 3}, "answer: expected text, found a number"),
            ({"instruction": "a", "context": 3, "response": "b"}, "context: expected text, found a number"),
            ({**CHAT, "tools": {"name": "f"}},
             'tools: expected a list of objects, or that list as JSON text, found {"name": "f"}'),
            ({**CHAT, "tools": "look"}, "tools: not valid JSON: Expecting value (column 1)"),
            ({**CHAT, "tools": [{"name": "\ud800"}]}, r"not valid JSON: \ud800 is half a character (a lone surrogate)"),
            ({**CHAT, "chat_template_kwargs": [1]},
             "chat_template_kwargs: expected an object, or that object as JSON text, found a list"),
            ({**CHAT, "chat_template_kwargs": {"tokenize": True}},
             "chat_template_kwargs: tokenize is not an argument of a chat template"),
            ({**CHAT, "system": 3}, "system: expected text, found a number"),
            ({"instruction": "a", "output": "b", "history": "c"},
             "history: not valid JSON: Expecting value (column 1)"),
            ({"instruction": "a", "output": "b", "history": {"a": "b"}},
             "history: expected a list of [question, answer] pairs, found an object"),
            ({"instruction": "a", "output": "b", "history": [["c", "d"], ["e"]]},
             'history: pair 2: expected [question, answer], found ["e"]'),
            ({"instruction": "a", "output": "b", "history": [["c", None]]},
             "history: pair 1: expected text, found null"),
            (turns(("user", "a"), ("assistant", "b"), weight=0),
             "there is nothing to learn: each assistant turn says weight 0 or train false"),
            (turns(("assistant", "b"), reasoning_content=3),
             "messages: turn 1: reasoning_content: expected text, found a number"),
            ({"question": "a"}, f"not a known kind of row: it has question; looked for {LOOKED_FOR}"),
            ({}, f"not a known kind of row: it has no keys; looked for {LOOKED_FOR}"),
            ("[1]", "expected an object, found a list"),
            ("{'text': 1}", "not valid JSON: Expecting property name enclosed in double quotes (column 2)"),
            (b'{"text": "\xff"}', "not UTF-8 text"),
            ("[" * 200_000, "nested too deeply"),
        ],
    )  # fmt: skip
    def test_are_named_by_place_beside_rows_that_are_kept(self, row: Any, fault: str, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", CHAT, "", row, {"text": "a"})
        rows = read_rows(path)
        assert rows.faults == (f"{path}:3: {fault}",)
        assert (rows.n_read, [r.place for r in rows.rows]) == (3, [f"{path}:1", f"{path}:4"])

    def test_all_are_named(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", *[{"text": ""}] * 30, {"text": "a"})
        assert read_rows(path).faults == tuple(f"{path}:{n}: text: is empty" for n in range(1, 31))

    def test_no_row_is_left(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", {"text": ""}, {"text": None})
        with pytest.raises(SftError) as raised:
            read_rows(path)
        assert str(raised.value) == f"{path}: none of its 2 rows can be used; the first: {path}:1: text: is empty"
        assert isinstance(raised.value, CalibauditError)

    def test_unknown_keys(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", {"ask": "a", "reply": "b"}, {"ask": "c", "id": 1})
        with pytest.raises(SftError) as raised:
            read_rows(path)
        assert str(raised.value) == (
            f"{path}: no known kind of row has the keys ask, reply, id; looked for {LOOKED_FOR}; "
            "--columns COLUMN=KEY,... says what to read its columns as"
        )


class TestWhatRowsSay:
    """What is to be learned, and what the template is told, as rows say it."""

    @pytest.mark.parametrize("key", ["weight", "train"])
    @pytest.mark.parametrize("form", [("role", "content"), ("from", "value")])
    @pytest.mark.parametrize(("no", "yes"), [(0, 1), (False, True), (0.0, 1.0)])
    def test_which_turns_are_learned(self, key: str, form: tuple[str, str], no: Any, yes: Any, tmp_path: Path) -> None:
        said = [("user", "a", no), ("assistant", "b", no), ("user", "c", None), ("assistant", "d", yes)]
        made = [{form[0]: role, form[1]: text, key: value} for role, text, value in said]
        rows = read_rows(write(tmp_path / "f.jsonl", {"messages": made}))
        (row,) = rows.rows
        assert isinstance(row, Conversation)
        assert [message.learned for message in row.messages] == [True, False, True, True]
        assert (rows.faults, rows.unread) == ((), ())

    def test_what_cannot_be_honoured_is_named(self, tmp_path: Path) -> None:
        made = [
            {"role": "user", "content": "a", "weight": 1},  # no user's turn is learned
            {"role": "assistant", "content": "b", "weight": 0.5, "loss": True, "name": None},
            {"role": "assistant", "content": "c", "weight": 2, "train": "yes", "thinking": ""},
        ]
        whole = {"messages": made, "label": False, "images": [], "rejected": "x", "id": 0, "score": float("nan")}
        path = write(tmp_path / "f.jsonl", whole, {**whole, "images": ["a.png"]}, {"messages": [], "tags": "x"})
        rows = read_rows(path)
        assert rows.unread == (
            ("id", 2), ("label", 2), ("messages[].loss", 2), ("messages[].train", 2), ("messages[].weight", 2),
            ("rejected", 2), ("images", 1),
        )  # fmt: skip
        assert all(message.learned for row in rows.rows if isinstance(row, Conversation) for message in row.messages)

    def test_given_turns_are_never_learned(self, tmp_path: Path) -> None:
        given = [*CHAT["messages"][:1], {"role": "assistant", "content": "b", "weight": 1}]
        rows = read_rows(write(tmp_path / "f.jsonl", {"prompt": given, "completion": given[1:], "system": "s"}))
        assert rows.rows[0] == Conversation((SYSTEM, *TURNS, TURNS[1]), rows.rows[0].place, 3)
        assert rows.unread == (("prompt[].weight", 1),)

    @pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
    def test_reasoning(self, key: str, tmp_path: Path) -> None:
        chat = turns(("user", "a?"), ("assistant", "b"), **{key: "hm"})
        rows = read_rows(write(tmp_path / "f.jsonl", chat))
        assert rows.rows[0] == Conversation((TURNS[0], Message("assistant", "b", "hm")), rows.rows[0].place)
        assert rows.unread == ((f"messages[].{key}", 1),)  # the user's

    def test_two_reasonings(self, tmp_path: Path) -> None:
        for other, unread in (("hm", ()), ("oh", (("messages[].thinking", 1),))):
            chat = turns(("assistant", "b"), reasoning="hm", thinking=other)
            rows = read_rows(write(tmp_path / "f.jsonl", chat))
            assert rows.rows[0] == Conversation((Message("assistant", "b", "hm"),), rows.rows[0].place)
            assert rows.unread == unread

    @pytest.mark.parametrize("written", [list, json.dumps])
    @pytest.mark.parametrize(
        "row",
        [
            CHAT,
            SHARED,
            {"prompt": "a?", "completion": "b"},
            {"prompt": CHAT["messages"][:1], "completion": CHAT["messages"][1:]},
            {"instruction": "a?", "output": "b"},
            {"question": "a?", "response": "b"},
        ],
    )
    def test_tools_and_arguments_of_the_template(self, row: dict[str, Any], written: Any, tmp_path: Path) -> None:
        kwargs = {"enable_thinking": False}
        more = {"tools": written([TOOL]), "chat_template_kwargs": kwargs if written is list else json.dumps(kwargs)}
        rows = read_rows(write(tmp_path / "f.jsonl", {**row, **more}))
        n_given = 1 if isinstance(row.get("prompt"), list) else 0
        assert rows.rows[0] == Conversation(TURNS, rows.rows[0].place, n_given, TOOLS, '{"enable_thinking": false}')
        assert rows.unread == ()

    @pytest.mark.parametrize("nothing", [None, "", " ", [], "[]", {}, "{}"])
    def test_no_tools(self, nothing: Any, tmp_path: Path) -> None:
        row = {"prompt": "a?", "completion": "b", "tools": nothing, "chat_template_kwargs": nothing, "system": None}
        assert isinstance(read_one(tmp_path, row), Completion)

    def test_a_table_s_empty_cells_are_no_arguments(self, tmp_path: Path) -> None:
        """Parquet gives each object the keys of all: what one tool lacks is null in it."""
        path = tmp_path / "f.parquet"
        tools = [[{"name": "a", "strict": True}], [{"name": "b", "unit": "m"}]]
        parquet.write_table(pyarrow.Table.from_pylist([{**CHAT, "tools": tool} for tool in tools]), path)
        assert [row.tools for row in read_rows(str(path)).rows if isinstance(row, Conversation)] == [
            '[{"name": "a", "strict": true}]',
            '[{"name": "b", "unit": "m"}]',
        ]

    @pytest.mark.parametrize("row", [CHAT, SHARED, {"prompt": "a?", "completion": "b"}])
    def test_system(self, row: dict[str, Any], tmp_path: Path) -> None:
        read = read_one(tmp_path, {**row, "system": "s"})
        assert read == Conversation((SYSTEM, *TURNS), read.place)

    @pytest.mark.parametrize(("own", "unread"), [("s", ()), ("t", (("system", 1),)), ("", ())])
    def test_a_chat_s_own_system_turn_goes_before_the_column(
        self, own: str, unread: tuple[Any, ...], tmp_path: Path
    ) -> None:
        chat = turns(("system", own), ("user", "a?"), ("assistant", "b"))
        rows = read_rows(write(tmp_path / "f.jsonl", {**chat, "system": "s"}))
        assert rows.rows[0] == Conversation((Message("system", own or "s"), *TURNS), rows.rows[0].place)
        assert rows.unread == unread

    @pytest.mark.parametrize("written", [list, json.dumps])
    def test_history_is_learned(self, written: Any, tmp_path: Path) -> None:
        row = {"instruction": "a?", "input": "", "output": "b", "system": "s", "history": written([["c?", "d"]])}
        earlier = (Message("user", "c?"), Message("assistant", "d"))
        read = read_one(tmp_path, row)
        assert read == Conversation((SYSTEM, *earlier, *TURNS), read.place)

    def test_plain_text_is_told_nothing(self, tmp_path: Path) -> None:
        rows = read_rows(write(tmp_path / "f.jsonl", {"text": "a", "system": "s", "tools": [TOOL]}))
        assert rows.unread == (("system", 1), ("tools", 1))


class TestColumns:
    COLUMNS: ClassVar = {"ask": "prompt", "reply": "completion"}

    def test_are_read_as_they_are_told(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", {"ask": "a?", "reply": "b", "prompt": "c", "text": "d"})
        rows = read_rows(path, columns=self.COLUMNS)
        assert rows.rows == (Completion("a?", "b", f"{path}:1"),)
        assert rows.unread == (("prompt", 1), ("text", 1))

    def test_choose_among_the_kinds(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", {**CHAT, "body": "d"})
        assert read_rows(path, columns={"body": "text"}).rows == (PlainText("d", f"{path}:1"),)

    def test_can_be_swapped_and_serve_what_is_also_read(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", {"answer": "a?", "question": "b", "persona": "s"})
        columns = {"answer": "question", "question": "answer", "persona": "system"}
        assert read_rows(path, columns=columns).rows == (Conversation((SYSTEM, *TURNS), f"{path}:1"),)

    def test_a_row_may_lack_one(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", {"ask": "a?", "reply": "b"}, {"prompt": "c", "completion": "d"})
        assert len(read_rows(path, columns=self.COLUMNS).rows) == 2

    def test_faults_call_them_by_their_own_names(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", {"ask": "a?", "reply": ""}, {"ask": "a", "reply": "b"})
        assert read_rows(path, columns=self.COLUMNS).faults == (f"{path}:1: reply: is empty",)

    def test_that_are_not_there(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", {"ask": "a?", "answer": "b"}, CHAT)
        message = f"{path}: --columns reply=completion: there is no column 'reply'; there is: ask, answer, messages"
        with pytest.raises(SftError) as raised:
            read_rows(path, columns=self.COLUMNS)
        assert str(raised.value) == message
        with pytest.raises(SftError, match=":1: --columns reply=completion: there is no column 'reply'"):
            read_row(path, 0, columns=self.COLUMNS)


class TestOneRow:
    def test_is_row_number_n(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", CHAT, "", {"text": ""}, {"ask": "a?", "reply": "b", "id": 1})
        assert read_row(path, 0) == OneRow(Conversation(TURNS, f"{path}:1"), "messages", ())
        found = read_row(path, 2, columns={"ask": "question", "reply": "answer"})
        assert found == OneRow(Completion("a?", "b", f"{path}:4", "\n\n"), "question + answer", ("id",))
        for index, message in (
            (1, ":3: text: is empty"),
            (2, ":4: not a known kind of row"),
            (3, ": row 3 does not exist; it has 3 rows"),
        ):
            with pytest.raises(SftError, match=message):
                read_row(path, index)


class TestSources:
    def test_the_demo(self) -> None:
        rows = read_rows("demo:sft")
        assert (len(rows.rows), rows.n_read, rows.faults, rows.rows[4].place) == (2304, 2304, (), "demo:sft:5")
        with pytest.raises(SftError, match="demo:other: the bundled tuning data are demo:sft"):
            read_rows("demo:other")

    def test_json_list(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.json", [{"text": "a"}, 3, CHAT])
        rows = read_rows(path)
        assert [row.place for row in rows.rows] == [f"{path}, row 0", f"{path}, row 2"]
        assert rows.faults == (f"{path}, row 1: expected an object, found a number",)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"{}", "a .json file must hold a list of objects"),
            (b'{"text": "a"}\n{"text": "b"}',
             r"f\.json:2: not valid JSON: Extra data \(column 1\) \(one object a line: name it \.jsonl\)"),
            (b"\xff", r"not UTF-8 text \(byte 0\)"),
            (b"[]", "there are no rows in it"),
        ],
    )  # fmt: skip
    def test_json_that_is_no_list_of_objects(self, content: bytes, message: str, tmp_path: Path) -> None:
        with pytest.raises(SftError, match=message):
            read_rows(write(tmp_path / "f.json", content))

    def test_a_mark_at_the_start_of_a_file_is_passed_over(self, tmp_path: Path) -> None:
        assert read_rows(write(tmp_path / "f.jsonl", b'\xef\xbb\xbf{"text": "a"}')).n_read == 1

    def test_parquet(self, tmp_path: Path) -> None:
        path = tmp_path / "f.parquet"
        made = [{**CHAT, "text": None}, {"messages": None, "text": "a"}, {"messages": [], "text": None}] * 700
        parquet.write_table(pyarrow.Table.from_pylist(made), path)
        rows = read_rows(str(path))
        assert rows.rows[:2] == (Conversation(TURNS, f"{path}, row 0"), PlainText("a", f"{path}, row 1"))
        assert (rows.n_read, len(rows.rows)) == (2100, 1400)
        assert rows.faults[-1] == f"{path}, row 2099: messages: there are no messages in it"
        path.write_bytes(b"PAR1 no")
        with pytest.raises(SftError, match=r"f\.parquet: not a readable Parquet file: "):
            read_rows(str(path))

    def test_a_folder_is_read_by_split(self, tmp_path: Path) -> None:
        for name in (
            "b.jsonl",
            "a.json",
            "data/train-00000-of-00002.jsonl",
            "dev.jsonl",
            "test/x.jsonl",
            ".git/a.jsonl",
        ):
            content = {"text": name}
            write(tmp_path / name, [content] if name.endswith(".json") else content)
        (tmp_path / "README.md").write_text("no rows")

        def texts(split: str) -> list[str]:
            return [row.text for row in read_rows(str(tmp_path), split=split).rows if isinstance(row, PlainText)]

        assert texts("train") == ["a.json", "b.jsonl", "data/train-00000-of-00002.jsonl"]
        assert texts("validation") == texts("dev") == ["dev.jsonl"]
        assert texts("test") == ["test/x.jsonl"]
        with pytest.raises(
            SftError, match="there is no file of split 'extra' in it; there is: test, train, validation"
        ):
            read_rows(str(tmp_path), split="extra")

    def test_a_data_set_saved_to_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Written by `datasets` itself."""
        monkeypatch.chdir(tmp_path)
        made = datasets.Dataset.from_list([{**CHAT, "text": None}, {"messages": None, "text": "a"}])
        made.save_to_disk("one")
        rows = read_rows("one", split="any")  # one data set has no splits
        assert rows.rows == (Conversation(TURNS, "one, row 0"), PlainText("a", "one, row 1"))
        datasets.DatasetDict(train=made, dev=made.select([1])).save_to_disk("two")
        assert read_rows("two").rows == (Conversation(TURNS, "two, row 0"), PlainText("a", "two, row 1"))
        assert read_rows("two", split="validation").rows == (PlainText("a", "two, row 0"),)
        with pytest.raises(SftError, match="two: there is no split 'test' in it; there is: dev, train"):
            read_rows("two", split="test")
        for path in Path("one").glob("*.arrow"):
            path.write_bytes(b"no")
        with pytest.raises(SftError, match="one: not a readable data set of `save_to_disk`: ") as raised:
            read_rows("one")
        assert "\n" not in str(raised.value)

    def test_no_picture_is_decoded(self, tmp_path: Path) -> None:
        """A column of images that are none: what is passed over is not looked into."""
        features = datasets.Features({"text": datasets.Value("string"), "image": datasets.Image()})
        made = datasets.Dataset.from_dict({"text": ["a"], "image": [{"bytes": b"none", "path": None}]}, features)
        made.save_to_disk(str(tmp_path / "saved"))  # older versions take no Path
        rows = read_rows(str(tmp_path / "saved"))
        assert [type(row) for row in rows.rows] == [PlainText]
        assert rows.unread == (("image", 1),)

    @pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet", "."])
    def test_what_was_changed_in_place_is_read_anew(self, name: str, tmp_path: Path) -> None:
        for text in ("old", "new"):
            if name == "a.parquet":
                parquet.write_table(pyarrow.Table.from_pylist([{"text": text}]), tmp_path / name)
            else:
                row = {"text": text}
                write(tmp_path / (name if name != "." else "a.jsonl"), [row] if name == "a.json" else row)
            for path in tmp_path.iterdir():
                os.utime(path, (1e9, 1e9))
            (read,) = read_rows(str(tmp_path / name)).rows
            assert isinstance(read, PlainText)
            assert read.text == text

    def test_limit_counts_rows_that_are_read(self, tmp_path: Path) -> None:
        path = write(tmp_path / "f.jsonl", {"text": "a"}, {"text": ""}, {"text": "b"}, {"text": "c"})
        rows = read_rows(path, limit=3)
        assert (rows.n_read, len(rows.rows), len(rows.faults)) == (3, 2, 1)
        with pytest.raises(SftError, match="limit 0 is below 1"):
            read_rows(path, limit=0)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("none.jsonl", r"none\.jsonl: there is no such file or folder, and it is not a hub id"),
            ("./a/b/c", "there is no such file or folder, and it is not a hub id"),
            ("text", "text: there is no such file or folder, and it is not a hub id"),  # a reader of local files there
            ("csv:small", "there is no such file or folder, and it is not a hub id"),
            ("empty.jsonl", r"empty\.jsonl: there are no rows in it"),
            ("rows.csv", r"rows\.csv: there are no rows in it"),
            ("rows.tsv", rf"rows\.tsv: cannot be read: give one of {SUFFIXES}, or a folder of them"),
            ("folder", rf"folder: it holds no file that ends in one of {SUFFIXES}"),
            ("none.jsonl.gz", r"none\.jsonl\.gz: there is no such file or folder, and it is not a hub id"),
        ],
    )
    def test_nothing_there(self, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write(tmp_path / "empty.jsonl", "", " ")
        write(tmp_path / "rows.csv", "a,b")
        write(tmp_path / "rows.tsv", "a\tb")
        (tmp_path / "folder").mkdir()
        with pytest.raises(SftError, match=message):
            read_rows(name)


class TestHub:
    def test_rows_of_a_split(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Through a `datasets` that holds the split already, as it does after a download."""
        made = datasets.Dataset.from_list([{**CHAT, "text": None}, {"messages": None, "text": "a"}])
        asked = []

        def load_dataset(*args: Any, **kwargs: Any) -> Any:
            asked.append((args, kwargs))
            return made

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        rows = read_rows("org/rows:small", split="train_sft")
        assert asked == [(("org/rows", "small"), {"split": "train_sft"})]
        assert rows.rows == (Conversation(TURNS, "org/rows:small, row 0"), PlainText("a", "org/rows:small, row 1"))

    @pytest.mark.parametrize(
        ("error", "offline", "message"),
        [
            (ConnectionError("no\nroute"), False, "as a data set of the hub: no route"),
            (ConnectionError("no"), True, "not in the local cache, and nothing is fetched offline"),
            (ValueError("Config name is missing. Pick one among ['a', 'b']"), False,
             r"\(name it behind a colon: org/rows:CONFIG\)"),
            (ValueError("Unknown split"), False,
             "org/rows: no such file or folder, and as a data set of the hub: Unknown split"),
        ],
    )  # fmt: skip
    def test_failures_are_one_line(
        self, error: Exception, offline: bool, message: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Datasets:
            @staticmethod
            def load_dataset(*_: Any, **__: Any) -> None:
                raise error

        @contextlib.contextmanager
        def quiet(*, offline: bool) -> Iterator[type]:
            yield Datasets

        monkeypatch.setattr(sources, "quiet_datasets", quiet)
        monkeypatch.setattr(sources, "out_of_reach", lambda: None)
        with pytest.raises(SftError, match=message) as raised:
            read_rows("org/rows", offline=offline)
        assert "\n" not in str(raised.value)
