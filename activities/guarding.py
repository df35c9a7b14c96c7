"""What goes out over HTTP goes only where it is allowed, and is signed, where there is a key, against replays."""

import hashlib
import hmac
import socket
import time
from collections.abc import Callable, Collection

import aiohttp

from rollwright.cluster.addresses import Local, locality

SIGNATURE = "X-Rollwright-Signature"
TIMESTAMP = "X-Rollwright-Timestamp"


class LocalAddressError(OSError):
    """The address is one that is not asked; says what it is."""

    def __init__(self, local: Local) -> None:
        super().__init__(local)
        self.local = local


def sockets(*, refused: Collection[Local]) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """What makes the sockets of a session: for just the address that is connected to, whatever name led there.

    What it makes raises LocalAddressError for an address that is refused.
    """

    def make(info: aiohttp.AddrInfoType) -> socket.socket:
        local = locality(str(info[4][0]))
        if local and local in refused:
            raise LocalAddressError(local)
        return _open(info)

    return make


def _open(info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    return socket.socket(family, kind, protocol)


def signed(key: bytes, body: bytes) -> dict[str, str]:
    """Headers with a signature over the time and the body, so that nobody can send the same again later."""
    timestamp = f"{time.time():.0f}"
    digest = hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {TIMESTAMP: timestamp, SIGNATURE: f"sha256={digest}"}
