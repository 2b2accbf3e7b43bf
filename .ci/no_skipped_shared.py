"""Fails when a test that needs the reference inputs was skipped: on the check machine they are there."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree

cases = list(ElementTree.parse(sys.argv[1]).iter("testcase"))
skipped = [
    f"{case.get('classname')}::{case.get('name')}: {skip.get('message')}"
    for case in cases
    for skip in case.iter("skipped")
    if "reference inputs" in (skip.get("message") or "")
]
if skipped:
    print("skipped for want of the reference inputs:", *skipped, sep="\n  ")
    sys.exit(1)
print(f"no test of {len(cases)} was skipped for want of the reference inputs")
