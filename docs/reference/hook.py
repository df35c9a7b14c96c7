"""What MkDocs does besides: pages are generated, and files of the repository that pages link to come along.

Nothing generated is kept in the repository, so nothing of it can be out of date.
"""

import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from docs.reference import chart, fields, licences, verbs
from rollwright.cli.main import VERBS

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)(?P<path>[^)#\s]+)")
_SOURCES = "source"
_LANGUAGES = {".py": "python", ".yaml": "yaml"}
_FILES = "reference/file.md"
_CHART = "reference/chart.md"
_LICENCES = "reference/licences.md"
_VERBS = "reference/cli"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take patterns in the navigation for the pages that it doesn't name."""
    nav = config.nav or []
    named = set(_strings(nav))
    config.nav = _expanded(nav, [path for path in _written(Path(config.docs_dir)) if path not in named])
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages, and a page of each file outside of docs/ that a page links to."""
    generated = {_FILES: fields.page(), _CHART: chart.page(), _LICENCES: licences.page()}
    generated |= {f"{_VERBS}/index.md": verbs.overview()}
    generated |= {f"{_VERBS}/{verb}.md": verbs.page(verb) for verb in VERBS}
    linked = {
        path for page in files.documentation_pages() for path in _outside(page.src_uri, page.content_string) if path
    }
    for uri, content in generated.items():
        files.append(File.generated(config, uri, content=content))
    for path in sorted(linked):
        source = File.generated(config, _source_page(path), content=_shown(path))
        source.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(source)
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files outside of docs/ to their pages here."""
    here = posixpath.dirname(page.file.src_uri)

    def led(link: re.Match[str]) -> str:
        path = _path_outside(page.file.src_uri, link["path"])
        return posixpath.relpath(_source_page(path), here or ".") if path else link["path"]

    return _LINK.sub(led, markdown)


def _outside(page: str, markdown: str) -> Iterator[str]:
    return (_path_outside(page, link["path"]) for link in _LINK.finditer(markdown))


def _path_outside(page: str, link: str) -> str:
    """Where in the repository a link of a page leads to, if not into docs/; else nothing."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return path if not path.startswith("docs/") and (ROOT / path).is_file() else ""


def _source_page(path: str) -> str:
    return f"{_SOURCES}/{path}.md"


def _shown(path: str) -> str:
    content = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return content
    return f"# {path}\n\n``` {_LANGUAGES.get(Path(path).suffix, 'text')}\n{content}```\n"


def _written(docs: Path) -> list[str]:
    return sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md"))


def _strings(nav: object) -> Iterator[str]:
    match nav:
        case str():
            yield nav
        case list():
            for item in nav:
                yield from _strings(item)
        case dict():
            for item in nav.values():
                yield from _strings(item)


def _expanded(nav: list[Any], left: list[str]) -> list[Any]:
    """The same with the pages that are left in place of each pattern; in order, so that narrow ones come first."""
    items: list[Any] = []
    for item in nav:
        if isinstance(item, dict):
            items.append({name: _expanded(i, left) if isinstance(i, list) else i for name, i in item.items()})
        elif item == f"{_VERBS}/*.md":
            items += [f"{_VERBS}/{verb}.md" for verb in VERBS]
        elif "*" in item:
            found = [path for path in left if fnmatch(path, item) and path.count("/") == item.count("/")]
            left[:] = [path for path in left if path not in found]
            items += found
        else:
            items.append(item)
    return items
