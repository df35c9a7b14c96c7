"""What goes out over HTTP goes only where it is allowed, and is signed, where there is a key, against replays."""

import hashlib
import hmac
import ipaddress
import socket
import time
from collections.abc import Callable

import aiohttp

SIGNATURE = "X-Rollwright-Signature"
TIMESTAMP = "X-Rollwright-Timestamp"
_LINK_LOCAL = tuple(ipaddress.ip_network(text) for text in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128"))
"""Where clouds keep what only the machine itself may read; the last one is AWS's for IPv6."""


class LinkLocalError(OSError):
    """The address is one that is not asked."""


def sockets(*, link_local: bool) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """What makes the sockets of a session: for just the address that is connected to, whatever name led there.

    What it makes raises LinkLocalError for an address that is not allowed.
    """

    def make(info: aiohttp.AddrInfoType) -> socket.socket:
        if not link_local and is_link_local(str(info[4][0])):
            raise LinkLocalError
        return _open(info)

    return make


def _open(info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    return socket.socket(family, kind, protocol)


def is_link_local(address: str) -> bool:
    """Whether a numeric address is link-local, however it is written. Raises ValueError for what is none."""
    read = ipaddress.ip_address(address.partition("%")[0])
    mapped = read.ipv4_mapped if isinstance(read, ipaddress.IPv6Address) else None
    return any((mapped or read) in network for network in _LINK_LOCAL)


def signed(key: bytes, body: bytes) -> dict[str, str]:
    """Headers with a signature over the time and the body, so that nobody can send the same again later."""
    timestamp = f"{time.time():.0f}"
    digest = hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {TIMESTAMP: timestamp, SIGNATURE: f"sha256={digest}"}
