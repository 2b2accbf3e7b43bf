"""Files are written by csv, gzip, json and pyarrow themselves, or byte by byte where they are not whole."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from calibaudit.errors import SftError
from calibaudit.training.data.formats import suffix_of
from calibaudit.training.data.rows import Completion, PlainText, read_rows

PAIRS = [{"prompt": f"{n}?", "completion": "b" * n} for n in range(1, 400)]


def as_csv(rows: list[dict[str, str]], path: Path) -> str:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def rows_of(path: Path) -> list[tuple[str, str]]:
    return [(row.prompt, row.completion) for row in read_rows(str(path)).rows if isinstance(row, Completion)]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.jsonl", ".jsonl"), ("a.jsonl.gz", ".jsonl.gz"), ("a.b.csv", ".csv"), ("a.gz", None), ("a.parquet.gz", None)],
)
def test_suffixes(name: str, suffix: str | None) -> None:
    assert suffix_of(Path(name)) == suffix


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv"])
@pytest.mark.parametrize("place", ["file", "folder"])
def test_gzipped_is_as_plain(suffix: str, place: str, tmp_path: Path) -> None:
    plain = tmp_path / f"plain{suffix}"
    if suffix == ".csv":
        as_csv(PAIRS, plain)
    else:
        plain.write_text(
            json.dumps(PAIRS) if suffix == ".json" else "\n".join(map(json.dumps, PAIRS)), encoding="utf-8"
        )
    packed = tmp_path / "folder" / f"validation{suffix}.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    expected = [(row["prompt"], row["completion"]) for row in PAIRS]
    assert rows_of(plain) == expected
    if place == "file":
        assert rows_of(packed) == expected
    else:
        assert read_rows(str(packed.parent), split="dev").n_read == len(PAIRS)


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".json.gz", ".csv.gz"])
@pytest.mark.parametrize("harm", ["cut", "changed", "no gzip", "empty"])
def test_a_gzip_that_is_not_whole(suffix: str, harm: str, tmp_path: Path) -> None:
    path = tmp_path / f"f{suffix}"
    whole = gzip.compress(json.dumps(PAIRS).encode() if "json." in suffix else b"prompt,completion\n" + b"a,b\n" * 99)
    if suffix == ".jsonl.gz":
        whole = gzip.compress(b"\n".join(json.dumps(row).encode() for row in PAIRS))
    changed = bytearray(whole)
    changed[-8] ^= 255  # its checksum
    path.write_bytes({"cut": whole[:-20], "changed": bytes(changed), "no gzip": b"text", "empty": b""}[harm])
    message = f"{path.name}: not a whole gzip file: " if harm != "empty" else f"{path.name}:"
    with pytest.raises(SftError, match=message) as raised:
        read_rows(str(path))
    assert "\n" not in str(raised.value)


class TestCsv:
    def test_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        made = [('one, "two"\nthree ', "é\r\nb"), ("c", "d" * 200_000)]  # csv's own limit is 131,072 characters
        path = Path(as_csv([{"prompt": a, "completion": b} for a, b in made], tmp_path / "f.csv"))
        assert rows_of(path) == made
        assert [row.place for row in read_rows(str(path)).rows] == [f"{path}:2", f"{path}:5"]

    def test_turns_stand_in_it_as_json(self, tmp_path: Path) -> None:
        chat = [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]
        path = as_csv([{"messages": json.dumps(chat), "text": ""}, {"messages": "", "text": "c"}], tmp_path / "f.csv")
        rows = read_rows(path)
        assert rows.rows[1] == PlainText("c", f"{path}:3")
        assert (rows.faults, len(rows.rows)) == ((), 2)

    def test_rows_that_are_not_as_long_as_the_header(self, tmp_path: Path) -> None:
        path = tmp_path / "f.csv"
        path.write_text("prompt,completion\na,b\n\nc\nd,e,f\n", encoding="utf-8")
        rows = read_rows(str(path))
        assert rows.faults == (
            f"{path}:4: expected 2 fields, as in the first line, found 1",
            f"{path}:5: expected 2 fields, as in the first line, found 3",
        )
        assert len(rows.rows) == 1

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"text,id,text\na,1,b\n",
             r"f\.csv: column 'text' occurs twice in the first line, which names the columns"),
            (b'text\na\n"b\n', r"f\.csv:3: not valid CSV: unexpected end of data"),
            (b"text\na\n\xff\n", r"f\.csv: not UTF-8 text \(after line "),
            (b"", r"f\.csv: there are no rows in it"),
            (b"text\n", r"f\.csv: there are no rows in it"),
            (b"What is this?,That.\nAnd this?,Also.\n", r"no known kind of row has the keys What is this\?, That\.;"),
        ],
    )  # fmt: skip
    def test_that_is_none(self, content: bytes, message: str, tmp_path: Path) -> None:
        path = tmp_path / "f.csv"
        path.write_bytes(content)
        with pytest.raises(SftError, match=message):
            read_rows(str(path))
