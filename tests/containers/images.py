"""The images of the tests. None is pulled."""

import platform
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from tests.containers.base import import_base

BASE = f"rollwright-base:{platform.python_version()}"
"""What the image is built on."""
IMAGE = "rollwright:test"
EMPTY = "rollwright-empty:test"
"""Without a single file, for static programs."""
PYTHON = "/opt/rollwright/bin/python"
"""In the image."""
PROJECT = Path(__file__).parents[2]


def build() -> None:
    """Make all three, the image as its documentation says, without a network."""
    if subprocess.run(["docker", "image", "inspect", BASE], capture_output=True, check=False).returncode != 0:
        import_base(BASE)  # made anew it would be another one, and nothing that stands on it be found in the cache
    subprocess.run(["docker", "import", "-", EMPTY], input=_nothing(), stdout=subprocess.DEVNULL, check=True)
    subprocess.run(["make", "wheels"], cwd=PROJECT, check=True)
    subprocess.run(["make", "image", f"IMAGE={IMAGE}", f"BASE_IMAGE={BASE}"], cwd=PROJECT, check=True)


def _nothing() -> bytes:
    archive = BytesIO()
    tarfile.open(fileobj=archive, mode="w").close()
    return archive.getvalue()
