"""A base for the image where none can be pulled: this machine's own Python, the libraries it needs, and no shell."""

import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from pathlib import Path

LEFT_OUT = {"__pycache__", "dist-packages", "idlelib", "site-packages", "test", "tkinter", "turtledemo"}
# What wheels may be linked against besides (PEP 600), of which the machine's own Python needs only some.
PROMISED = ("libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "librt.so.1", "libstdc++.so.6")
DEBIAN_WHEELS = Path("/usr/share/python-wheels")
"""Where Debian keeps the pip that new environments get."""
_LIBRARY = re.compile(r"(/\S+) \(0x")


def import_base(name: str) -> None:
    """Make it, under this name."""
    python = Path(sys.base_prefix) / "bin" / "python3"
    command = ("docker", "import", "--change", f"ENV PATH={python.parent}", "-", name)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as importing:
        assert importing.stdin
        with tarfile.open(fileobj=importing.stdin, mode="w|") as archive:
            for path in sorted(_files(python)):
                archive.add(path, recursive=False, filter=_readable)
            scratch = tarfile.TarInfo("tmp")
            scratch.type, scratch.mode = tarfile.DIRTYPE, 0o1777
            archive.addfile(scratch)
    assert importing.returncode == 0


def _files(python: Path) -> set[Path]:
    """All of them, and what links on the way to them lead to."""
    library = [path for path in Path(sysconfig.get_path("stdlib")).rglob("*") if _belongs(path)]
    programs = [python, *(path for path in library if path.suffix == ".so")]
    return {
        *library,
        *_resolved([python, *_linked(programs), *_promised()]),
        *(DEBIAN_WHEELS.rglob("*") if DEBIAN_WHEELS.exists() else ()),
    }


def _belongs(path: Path) -> bool:
    return not any(part in LEFT_OUT or part.startswith("config-") for part in path.parts)


def _linked(programs: Iterable[Path]) -> set[Path]:
    """The libraries that programs load, and the loader."""
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return {Path(found) for found in _LIBRARY.findall(said)}


def _promised() -> list[Path]:
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in known.splitlines()]
    return [Path(line[-1]) for line in lines if line and line[0] in PROMISED]


def _resolved(paths: Iterable[Path]) -> set[Path]:
    """With the links on the way, of folders as well: /lib is one to /usr/lib."""
    found: set[Path] = set()
    for path in paths:
        found |= {folder for folder in path.parents if folder.is_symlink()}
        found |= {path.parent.resolve() / path.name, path.resolve()}
    return found


def _readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """By anybody: it may be installed in the home of who runs the tests."""
    member.mode |= 0o755 if member.isdir() or member.mode & 0o100 else 0o444
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
