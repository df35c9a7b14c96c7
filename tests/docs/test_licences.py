"""What is installed beside rollwright is listed whole, at the pinned versions, and may be passed on."""

import re

import pytest

from docs.reference.licences import LOCK, is_allowed, packages, page

pinned = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
ELSEWHERE = {"colorama"}
"""On Windows only."""


def test_the_page_lists_every_pinned_package_at_its_version() -> None:
    assert {found.name: found.version for found in packages()} == {
        name: version for name, version in pinned.items() if name not in ELSEWHERE
    }
    assert len(pinned) > 30
    assert all(f"`{name}`" in page() for name in pinned.keys() - ELSEWHERE)


def test_every_licence_is_one_that_lets_the_image_be_passed_on() -> None:
    assert [found for found in packages() if not is_allowed(found.licence)] == []


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0-only", False),
        ("", False),
    ],
)
def test_of_several_licences_one_way_must_do(licence: str, allowed: bool) -> None:
    assert is_allowed(licence) is allowed
