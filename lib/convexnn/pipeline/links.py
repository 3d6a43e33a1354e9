"""Every link of the finished site: it leads to a page and a place on it, and nothing is loaded from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

CARRIED = ("", "data", "mailto")  # what needs no network


class Page(HTMLParser):
    """What a page refers to: addresses of links and of everything that is loaded, and the places in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value for key, value in attrs if value}
        self.places |= {found[key] for key in ("id", "name") if key in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        stylesheet = tag == "link" and found.get("rel") in ("stylesheet", "preload", "icon")
        address = found.get("src") if tag in ("script", "img", "iframe") else found.get("href") if stylesheet else None
        if address:
            self.loaded.append(address)


def pages_of(book: Path) -> list[Path]:
    """The pages for readers; the theme leaves templates of its own under _static."""
    return [path for path in sorted(book.rglob("*.html")) if "_static" not in path.relative_to(book).parts]


def broken(book: Path) -> list[str]:
    """In words: links that lead nowhere, and what a page loads that is missing or on the network."""
    pages = {path.resolve(): Page(path) for path in pages_of(book)}
    said = []
    for path, page in pages.items():
        name = path.relative_to(book.resolve()).as_posix()
        said += [f"{name}: {address} {fault}" for address in page.loaded if (fault := _unloadable(path, address))]
        said += [f"{name}: {address} {fault}" for address in page.links if (fault := _astray(path, address, pages))]
    return said


def _unloadable(path: Path, address: str) -> str:
    parts = urlparse(address)
    if parts.scheme not in CARRIED or parts.netloc:
        return "is loaded from the network"
    if parts.scheme or "searchtools" in address or (path.parent / unquote(parts.path)).is_file():
        return ""
    return "is missing"


def _astray(path: Path, address: str, pages: dict[Path, Page]) -> str:
    parts = urlparse(address)
    if parts.scheme or parts.netloc or address == "#":
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.exists():
        return "leads nowhere"
    astray = parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places
    return "has no such place on its page" if astray else ""
