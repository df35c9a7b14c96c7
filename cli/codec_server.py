"""`rollwright codec-server`: let the Temporal UI, and its CLI, read sealed payloads."""

import asyncio
import ipaddress
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.text import one_line
from rollwright.worker import keyring
from rollwright.worker.keyring import Keyring

app = typer.Typer()

_LISTEN = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:]+)\]|(?P<v4>[0-9.]+)):(?P<port>\d{1,5})")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::\d{1,5})?|https?://\[[0-9a-f:]+\](?::\d{1,5})?")
_TOKEN = re.compile(r"[!-~]{16,}")
_LAST_PORT = 65535


@app.command("codec-server")
def codec_server(
    *,
    origin: Annotated[
        list[str],
        typer.Option("--origin", metavar="URL", help="Of the Temporal UI, as in https://temporal.example; repeatable."),
    ],
    listen: Annotated[
        str, typer.Option("--listen", metavar="ADDRESS:PORT", help="Beyond this host only with --token-file.")
    ] = "127.0.0.1:8888",
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="PATH", help="Holds the bearer token that everybody must send."),
    ] = None,
) -> None:
    """Open sealed payloads for those who have the Temporal UI, or its CLI, ask here.

    Payloads are sealed where ROLLWRIGHT_KEYS names a file of keys; this needs the
    same. It answers pages of the given origins only, and runs until SIGTERM or
    Ctrl-C. It speaks HTTP: beyond this host, put something in front that speaks
    TLS, and lets in nobody but those who may read rollouts.

    Examples:
      rollwright codec-server --origin http://localhost:8233
      rollwright codec-server --origin https://temporal.example --listen 0.0.0.0:8888 --token-file /etc/rollwright/token

    """
    address = _address(listen)
    origins = frozenset(map(_origin, origin))
    token = _token(token_file) if token_file else ""
    if not token and not ipaddress.ip_address(address[0]).is_loopback:
        raise CommandError(
            f"whoever reaches {listen} could read all rollouts",
            todo="Give --token-file, or listen on 127.0.0.1.",
            code=ExitCode.BAD_INPUT,
        )
    keys = keyring.from_environment()
    if keys is None:
        raise CommandError(
            "there are no keys to open payloads with",
            todo=f"Set {keyring.SETTING} to the file of the workers' keys.",
            code=ExitCode.BAD_INPUT,
        )
    try:
        asyncio.run(_serve(keys, address, origins, token))
    except OSError as error:
        raise CommandError(f"{listen} can't be listened on: {error.strerror}") from error


async def _serve(keys: Keyring, address: tuple[str, int], origins: frozenset[str], token: str) -> None:
    from rollwright.worker.codec_server import application, served  # noqa: PLC0415 - slow to import
    from rollwright.worker.sealing import SealingCodec  # noqa: PLC0415 - as above

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with served(application(SealingCodec(keys), origins, token), *address) as port:
        typer.echo(f"opening sealed payloads on port {port} of {address[0]}", err=True)
        await stop.wait()


def _address(listen: str) -> tuple[str, int]:
    found = _LISTEN.fullmatch(listen)
    with suppress(ValueError):
        if found and (port := int(found["port"])) <= _LAST_PORT:
            return str(ipaddress.ip_address(found["v6"] or found["v4"])), port
    raise CommandError(
        f"{one_line(listen)!r} is no address to listen on",
        todo="Write an IP address and a port, as in --listen 127.0.0.1:8888.",
        code=ExitCode.BAD_INPUT,
    )


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise CommandError(
            f"{one_line(text)!r} is no origin",
            todo="Write what the browser shows of the UI's address up to the path, as in --origin https://temporal.example.",
            code=ExitCode.BAD_INPUT,
        )
    return text


def _token(path: Path) -> str:
    """The token in a file. Its owner may rotate it; it is read once, at the start."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "it is no text"
        raise CommandError(f"the token in {path} can't be read: {why}", code=ExitCode.BAD_INPUT) from error
    if not _TOKEN.fullmatch(token):
        raise CommandError(
            f"{path} holds no token of at least 16 visible characters",
            todo=f"Make one: head -c 32 /dev/urandom | base64 > {path}",
            code=ExitCode.BAD_INPUT,
        )
    return token
