"""Sealed payloads: what is in a rollout's history can be read by those with its key, not by Temporal.

A payload is sealed as a whole, its own metadata too, by AES-256-GCM under a nonce drawn for it. The key's id stands
beside it and is part of what is authenticated. Payloads that are not sealed are read as they are, so that sealing can
begin in the middle of rollouts.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from rollwright.worker.keyring import SETTING, Keyring, KeysError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ENCODING = b"binary/encrypted"
KEY_ID = "encryption-key-id"
_NONCE_BYTES = 12


class SealingCodec(PayloadCodec):
    """Seals with the active key; opens with any of them. Without keys nothing is sealed, and nothing sealed is read."""

    def __init__(self, keyring: Keyring | None) -> None:
        self._active = keyring.active if keyring else ""
        self._ciphers = _ciphers(keyring) if keyring else {}

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Seal them."""
        return [self._sealed(payload) for payload in payloads] if self._active else list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Open those that are sealed. Raises KeysError."""
        return [self.open(payload) for payload in payloads]

    def open(self, payload: Payload) -> Payload:
        """What is in it; itself if it is not sealed, or by something else. Raises KeysError."""
        is_sealed = payload.metadata.get("encoding") == ENCODING and KEY_ID in payload.metadata
        return self._opened(payload) if is_sealed else payload

    def _sealed(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        key = self._active.encode()
        data = nonce + self._ciphers[self._active].encrypt(nonce, payload.SerializeToString(), _bound(key))
        return Payload(metadata={"encoding": ENCODING, KEY_ID: key}, data=data)

    def _opened(self, payload: Payload) -> Payload:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - slow to import, and only where it is sealed

        key = payload.metadata[KEY_ID]
        name = key.decode(errors="replace")
        if not (cipher := self._ciphers.get(name)):
            raise KeysError(self._lacking(name))
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, sealed, _bound(key)))
        except (InvalidTag, ValueError, DecodeError) as error:
            raise KeysError(
                f"a payload can't be opened with the key {name!r}: it was changed, or sealed with another key of that "
                f"id; compare the keys in {SETTING} with those of the workers"
            ) from error

    def _lacking(self, name: str) -> str:
        if not self._ciphers:
            return f"payloads are sealed with the key {name!r}, and there are no keys here: set {SETTING} to their file"
        return f"payloads are sealed with the key {name!r}, which is not in the file of {SETTING}: add it there"


def _ciphers(keyring: Keyring) -> Mapping[str, "AESGCM"]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

    return {name: AESGCM(key) for name, key in keyring.keys.items()}


def _bound(key: bytes) -> bytes:
    """What is authenticated along with a payload: that it is sealed so, and by which key."""
    return ENCODING + b"\0" + key
