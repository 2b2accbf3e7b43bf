"""A page as a real HTML parser reads it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "wbr", "img", "input", "hr", "col"}


class Page(HTMLParser):
    """Every element with its attributes and text; fails on a wrong nesting."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "attrs": dict(attrs), "text": "", "inside": [e["tag"] for e in self.open]}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append({"tag": tag, "attrs": dict(attrs), "text": "", "inside": [e["tag"] for e in self.open]})

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag, **attributes):
        """The elements of a tag, or those whose attributes (class_ for class) are these."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [e for e in self.elements if e["tag"] == tag and wanted.items() <= e["attrs"].items()]

    def text(self, tag, **attributes):
        return [" ".join(element["text"].split()) for element in self.all(tag, **attributes)]

    def tables(self):
        """Of each table its name's id, and its rows of cells (text)."""
        found = []
        for element in self.elements:
            if element["tag"] == "table":
                found.append((element["attrs"]["aria-labelledby"], []))
            elif element["tag"] == "tr":
                found[-1][1].append([])
            elif element["tag"] in ("th", "td"):
                found[-1][1][-1].append(element)
        return [(name, [[" ".join(cell["text"].split()) for cell in row] for row in rows]) for name, rows in found]
