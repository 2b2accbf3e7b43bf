"""How CI systems read what they are given: JUnit XML by its schemas, a log by GitHub's runner."""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree import ElementTree

# The rules that both Ant's schema (windyroad/JUnit-Schema) and Jenkins' junit-10.xsd set, the narrower one where they
# differ: attributes (required, then optional), and the order of the children.
TOKEN = r"\S+( \S+)*"
COUNT, TIME = r"\d+", r"\d{1,3}(\.\d+)?"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
RULES: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "testsuites": ({}, {}, r"(testsuite )*"),
    "testsuite": (
        {
            "name": TOKEN,
            "id": COUNT,
            "package": TOKEN,
            "timestamp": MOMENT,
            "hostname": TOKEN,
            "tests": COUNT,
            "failures": COUNT,
            "errors": COUNT,
            "time": TIME,
        },
        {"skipped": COUNT},
        r"properties (testcase )*system-out system-err ",
    ),
    "properties": ({}, {}, r"(property )*"),
    "property": ({"name": TOKEN, "value": r".*"}, {}, ""),
    "testcase": ({"name": TOKEN, "classname": TOKEN, "time": TIME}, {}, r"((failure|error|skipped) )?"),
    "failure": ({"type": r".+"}, {"message": r".*"}, ""),
    "skipped": ({}, {"message": r".*"}, ""),
    "system-out": ({}, {}, ""),
    "system-err": ({}, {}, ""),
}


def check_rules(root: ElementTree.Element) -> None:
    assert root.tag == "testsuites"
    for element in root.iter():
        required, optional, children = RULES[element.tag]
        assert required.keys() <= element.attrib.keys() <= required.keys() | optional.keys(), element.tag
        for name, value in element.attrib.items():
            assert re.fullmatch((required | optional)[name], value), (element.tag, name, value)
        assert re.fullmatch(children, "".join(f"{child.tag} " for child in element)), element.tag
        if children:  # no text between elements
            assert not (element.text or "").strip()
        assert not (element.tail or "").strip()


def suite_of(xml: str) -> ElementTree.Element:
    root = ElementTree.fromstring(xml.encode())
    check_rules(root)
    (suite,) = root
    return suite


class Command(NamedTuple):
    """A workflow command as the runner reads it."""

    name: str
    properties: dict[str, str]
    data: str


def runner(log: str) -> list[Command]:
    """The commands that GitHub's runner takes out of a log: it trims a line, then looks for ::name key=value::data."""
    found: list[Command] = []
    stopped: str | None = None
    for line in re.split("\r\n|\r|\n", log):
        match = re.match(r"::([^\s:]+)(?: ([^:]*(?::(?!:)[^:]*)*))?::(.*)", line.lstrip(), flags=re.DOTALL)
        if match is None:
            continue
        name, properties, data = match[1], match[2] or "", match[3]
        if stopped is not None:
            stopped = None if name == stopped else stopped
            continue
        if name == "stop-commands":
            stopped = data
            continue
        pairs = dict(pair.split("=", 1) for pair in properties.split(",") if pair)
        found.append(Command(name, {key: unescaped(value) for key, value in pairs.items()}, unescaped(data)))
    assert stopped is None, "the log ends with commands stopped"
    return found


def unescaped(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text
