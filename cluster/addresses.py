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


_LIKE_LINK_LOCAL = (
    "fd00:ec2::254/128",  # AWS
    "fd20:ce::254/128",  # Google Cloud
    "100.100.100.200/32",  # Alibaba Cloud
    "168.63.129.16/32",  # Azure's WireServer, beside its link-local one
)
"""Where clouds do so by an address of another kind."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NETWORKS = {
    ipaddress.ip_network(text): local
    for local, texts in {
        Local.LINK_LOCAL: ("169.254.0.0/16", "fe80::/10", *_LIKE_LINK_LOCAL),
        Local.LOOPBACK: ("127.0.0.0/8", "::1/128"),
        Local.UNSPECIFIED: ("0.0.0.0/8", "::/128"),
    }.items()
    for text in texts
}


def locality(address: str) -> Local | None:
    """What of these a numeric address is, however it is written; None if nothing. Raises ValueError for a name."""
    read = ipaddress.ip_address(address)
    inside = _inside(read) if isinstance(read, ipaddress.IPv6Address) else None
    return next((local for network, local in _NETWORKS.items() if (inside or read) in network), None)


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of IPv4 that the host, or a translator before it (RFC 6052), takes for this one's meaning."""
    return ipaddress.IPv4Address(address.packed[-4:]) if address in _NAT64 else address.ipv4_mapped
