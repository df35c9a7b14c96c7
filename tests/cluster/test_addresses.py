"""Which addresses are local, however they are written."""

import pytest

from rollwright.cluster.addresses import Local, locality


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("169.254.169.254", Local.LINK_LOCAL),
        ("fe80::1%eth0", Local.LINK_LOCAL),
        ("febf::1", Local.LINK_LOCAL),
        ("::ffff:169.254.0.1", Local.LINK_LOCAL),
        ("fd00:ec2::254", Local.LINK_LOCAL),
        ("fd20:ce::254", Local.LINK_LOCAL),
        ("100.100.100.200", Local.LINK_LOCAL),
        ("168.63.129.16", Local.LINK_LOCAL),
        ("::ffff:100.100.100.200", Local.LINK_LOCAL),
        ("64:ff9b::169.254.169.254", Local.LINK_LOCAL),
        ("64:ff9b::7f00:1", Local.LOOPBACK),
        ("127.0.0.1", Local.LOOPBACK),
        ("127.255.0.1", Local.LOOPBACK),
        ("::1", Local.LOOPBACK),
        ("0:0:0:0:0:0:0:1", Local.LOOPBACK),
        ("::ffff:127.0.0.1", Local.LOOPBACK),
        ("0.0.0.0", Local.UNSPECIFIED),
        ("::", Local.UNSPECIFIED),
        ("::ffff:0.0.0.0", Local.UNSPECIFIED),
        ("10.0.0.1", None),
        ("100.100.100.201", None),
        ("64:ff9b::10.0.0.1", None),
        ("128.0.0.1", None),
        ("fd00::1", None),
        ("fd00:ec2::253", None),
        ("::2", None),
    ],
)
def test_which_addresses_are_local(address: str, local: Local | None) -> None:
    assert locality(address) is local


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1%eth0", "10.0.0.1@example.com", ""])
def test_what_is_no_numeric_address_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        locality(text)
