"""The page of licences: of all that is installed beside rollwright, as the packages say themselves."""

import re
from importlib.metadata import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from docs.reference.markdown import code, plain, table

LOCK = Path(__file__).parents[2] / "deploy" / "requirements.lock"
ALLOWED = frozenset({"Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"})
"""Each lets everybody use and pass on what stands under it; MPL asks that changes of the very files are published."""
_SPELT = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License": "ISC",
    "MIT License": "MIT",
}
"""What packages write that don't use SPDX's names; some don't say which of the BSD licences."""
_OF_LICENCES = "License :: OSI Approved :: "
_PINNED = re.compile(r"^[a-z0-9].*?(?= *\\?$)", re.MULTILINE)
_ABOUT = (
    "What the image holds beside rollwright, which is under the Apache License 2.0 itself: the packages that "
    f"`{LOCK.parent.name}/{LOCK.name}` pins, on Linux, each with the licence that it names."
)


class Package(NamedTuple):
    """One that is installed."""

    name: str
    version: str
    licence: str
    """As SPDX writes it."""


def packages() -> list[Package]:
    """Those of the lock that this machine would install, by name."""
    pinned = map(Requirement, _PINNED.findall(LOCK.read_text(encoding="utf-8")))
    return [_installed(one.name) for one in pinned if one.marker is None or one.marker.evaluate()]


def is_allowed(licence: str) -> bool:
    """Whether somebody who may take all of it by one of the ways that a licence offers takes nothing else."""
    ways = (way.split(" AND ") for way in licence.split(" OR "))
    return any(ALLOWED.issuperset(way) for way in ways)


def page() -> str:
    """The page."""
    rows = [[code(found.name), plain(found.version), plain(found.licence)] for found in packages()]
    return f"# Licences\n\n{_ABOUT}\n\n{table(['Package', 'Version', 'Licence'], rows)}\n"


def _installed(name: str) -> Package:
    said = metadata(name)
    classified = [text.removeprefix(_OF_LICENCES) for text in said.get_all("Classifier") or [] if "License ::" in text]
    named = said["License-Expression"] or said["License"] or " AND ".join(classified)
    return Package(name, said["Version"], _SPELT.get(named, named))
