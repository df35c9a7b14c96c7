"""The site builds without a dead link, holds what is generated, and asks nobody else for anything."""

import re
import shutil
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from rollwright.cli.main import VERBS
from rollwright.rollout.spec import Strategy
from tests.docs.pages import ROOT

_FETCHED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?([^\"\s>]+)|<link\b[^>]*\bhref=\"?([^\"\s>]+)")
_IN_STYLES = re.compile(r"(?:@import\s+|url\()\s*[\"']?(?:https?:)?//")


def built(folder: Path, docs: Path = ROOT / "docs") -> Path:
    """The site, made as `make docs` makes it."""
    build(load_config(str(ROOT / "mkdocs.yml"), strict=True, docs_dir=str(docs), site_dir=str(folder)))
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("site"))


def test_every_verb_has_a_page_with_its_options(site: Path) -> None:
    pages = {verb: (site / "reference" / "cli" / f"{verb}.html").read_text(encoding="utf-8") for verb in VERBS}
    assert "--on-conflict" in pages["start"]
    assert "--repair" in pages["doctor"]
    assert "rollwright dev kubeconfig" in pages["dev"]


def test_every_field_of_a_strategy_is_on_the_page_of_the_file(site: Path) -> None:
    page = (site / "reference" / "file.html").read_text(encoding="utf-8")
    missing = [field.alias for field in Strategy.model_fields.values() if f"<code>{field.alias}</code>" not in page]
    assert missing == []


def test_a_file_outside_of_the_pages_that_one_links_to_comes_along(site: Path) -> None:
    assert "leaderworkersets" in (site / "source" / "deploy" / "rbac.yaml.html").read_text(encoding="utf-8")


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    fetched = {address for page in pages.values() for found in _FETCHED.findall(page) for address in found if address}
    assert [address for address in fetched if "//" in address] == []
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert len(styles) > 1
    assert not any(_IN_STYLES.search(style) for style in styles)


def test_each_dead_link_is_found(tmp_path: Path) -> None:
    """To a page, a heading, a file of the repository, and one that is right here only, but not on GitHub."""
    docs = shutil.copytree(ROOT / "docs", tmp_path / "docs")
    links = ("nowhere.md", "steering.md#nowhere", "../nowhere.py", "/steering.md")
    (docs / "quickstart.md").write_text("\n\n".join(f"[there]({link})" for link in links), encoding="utf-8")
    with pytest.raises(Abort, match=f"with {len(links)} warnings"):
        built(tmp_path / "site", docs)
