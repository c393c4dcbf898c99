"""Whether every link inside the built pages leads to a page, file or anchor that is there.

``python check_links.py _build/html`` lists the links that do not, and then ends with code 1.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit


class Page(HTMLParser):
    """The anchors of a page and the addresses that it names."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = {"", "top"}, set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors.update(found[key] for key in ("id", "name") if found.get(key))
        self.links.update(found[key] for key in ("href", "src") if found.get(key))


def broken(folder):
    """Every link that leads nowhere, as ``page: link``."""
    pages = {path.relative_to(folder).as_posix(): Page(path) for path in sorted(folder.rglob("*.html"))}
    for name, page in pages.items():
        # Parts of the theme are no pages. Beside its code an object has one link back, for one of its rooms.
        if name.startswith(("_static/", "_modules/")):
            continue
        for link in sorted(page.links):
            parts = urlsplit(urljoin(f"/{name}", link))
            if urlsplit(link).scheme or parts.netloc:
                continue  # elsewhere: for linkcheck
            target, anchor = unquote(parts.path).lstrip("/"), unquote(parts.fragment)
            if target.endswith("/") or not target:
                target += "index.html"
            known = pages[target].anchors if target in pages else {"", anchor}
            if anchor not in known or not (folder / target).is_file():
                yield f"{name}: {link}"


if __name__ == "__main__":
    found = list(broken(Path(sys.argv[1])))
    print(*found, f"{len(found)} links lead nowhere", sep="\n")
    sys.exit(bool(found))
