"""Where a worker listens: what may be written, and what is said where it can't."""

import socket

import pytest

from rollwright.worker.endpoints import Address, EndpointError, served


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9090", ("127.0.0.1", 9090)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("localhost:8080", ("localhost", 8080)),
        ("[::1]:9090", ("::1", 9090)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: tuple[str, int]) -> None:
    assert Address.parse(text) == address
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "9090", ":9090", "host", "host:", "host:65536", "::1:9090", "http://a:1", "a b:1"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(EndpointError, match="is no HOST:PORT"):
        Address.parse(text)


async def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = Address(*taken.getsockname())
        with pytest.raises(EndpointError, match=f"nothing can listen at {address}: Address already in use"):
            async with served(address, {}):
                pass
