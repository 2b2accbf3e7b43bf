"""Builds the site and checks what came out: `python .ci/site.py [FOLDER]` (site/ when left out; the extra `docs`).

mkdocs checks the links that pages write. This checks the files that a reader gets: every link and anchor of every page
leads somewhere, no page fetches anything from elsewhere, and no page is only reached by its address.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
FETCHED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""Tag -> the attribute whose address a browser loads by itself."""


class Page(HTMLParser):
    """links: of <a>, as written. fetched: what a browser loads. names: what a link's #... can name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.names: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.names |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif found.get(FETCHED.get(tag, "")):
            self.fetched.append(found[FETCHED[tag]])


def faults(site: Path) -> Iterator[str]:
    """A line for each link, anchor and fetched file that is wrong in a built site."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    reached = {site / "index.html", site / "404.html"}
    for path, page in pages.items():
        here = path.relative_to(site)
        for address in page.fetched:
            parts = urlsplit(address)
            if parts.netloc or parts.scheme not in ("", "data"):
                yield f"{here}: fetches {address}"
            elif not parts.scheme and not _target(path, parts.path, site).is_file():
                yield f"{here}: {address} is not there"
        for address in page.links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if parts.scheme not in ("http", "https", "mailto"):
                    yield f"{here}: {address} is no address"
                continue
            target = _target(path, parts.path, site)
            reached |= {target} - {path}
            if not target.is_file():
                yield f"{here}: {address} leads nowhere"
            elif target in pages and unquote(parts.fragment) not in pages[target].names:
                yield f"{here}: {address}: no such place on that page"
    yield from (f"{path.relative_to(site)}: no page leads here" for path in pages.keys() - reached)


def _target(page: Path, address: str, site: Path) -> Path:
    """The file of a relative address; of one from the root, as on the page for what is not found, below the site."""
    found = unquote(address)
    above = site if found.startswith("/") else page.parent
    target = Path(os.path.normpath(above / found.lstrip("/"))) if found else page
    return target / "index.html" if target.is_dir() else target


def main() -> int:
    """0: built and without a fault."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "site").resolve()
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)]
    built = subprocess.run(build, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=False)
    if built.returncode:
        return built.returncode
    found = sorted(faults(site))
    print("\n".join(found) or f"{len(list(site.rglob('*.html')))} pages, every link leads somewhere")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
