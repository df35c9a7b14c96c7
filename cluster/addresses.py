"""Addresses that lead to the worker's own host, or to what only that may ask. Pure."""

import ipaddress
from enum import StrEnum


class Local(StrEnum):
    """What such an address is, in words."""

    LINK_LOCAL = "link-local"
    """Where clouds keep what only the machine itself may read."""
    LOOPBACK = "of loopback"
    UNSPECIFIED = "of no host"
    """Whoever connects to one comes to the machine itself, as by loopback."""


_NETWORKS = {
    ipaddress.ip_network(text): local
    for local, texts in {
        Local.LINK_LOCAL: ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128"),  # the last one is AWS's for IPv6
        Local.LOOPBACK: ("127.0.0.0/8", "::1/128"),
        Local.UNSPECIFIED: ("0.0.0.0/8", "::/128"),
    }.items()
    for text in texts
}


def locality(address: str) -> Local | None:
    """What of these a numeric address is, however it is written; None if nothing. Raises ValueError for a name."""
    read = ipaddress.ip_address(address)
    mapped = read.ipv4_mapped if isinstance(read, ipaddress.IPv6Address) else None
    return next((local for network, local in _NETWORKS.items() if (mapped or read) in network), None)
