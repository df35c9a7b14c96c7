"""What is rendered from the chart and kept in the repository: `python -m tests.chart.written` writes it anew."""

import asyncio
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.chart.helm import CHART, DATA, Helm, built_helm, values_of

CASES = ("default", "everything", "everywhere")
RIGHTS = ("rbac", "rbac-capacity", "rbac-follow")
MARK = "# From here on rendered from deploy/chart, by python -m tests.chart.written\n"
_LABELS = re.compile(r"^  labels:\n(?:    .*\n)+", re.MULTILINE)
_SOURCE = re.compile(r"^# Source: .*\n", re.MULTILINE)
_GAP = re.compile(r"\n{2,}")
_ALL_RIGHTS = ("--set=rights.capacity=true", "--set=follow.namespaces={default}")


async def written(helm: Helm) -> dict[Path, str]:
    """Every such file, with what is to be in it."""
    rendered = {DATA / f"{case}.yaml": await helm.rendered(f"--values={values_of(case)}") for case in CASES}
    return rendered | {path: await _rights(helm, path) for path in map(rights_file, RIGHTS)}


def rights_file(name: str) -> Path:
    """For whoever installs without Helm."""
    return CHART.parent / f"{name}.yaml"


async def _rights(helm: Helm, path: Path) -> str:
    """What stands before the mark stays; labels, which say that Helm manages it, are left out."""
    shown = [path.name, *(["serviceaccount.yaml"] if path.name == "rbac.yaml" else [])]
    only = [f"--show-only=templates/{template}" for template in reversed(shown)]
    rendered = await helm.rendered(f"--values={values_of('default')}", *_ALL_RIGHTS, *only)
    before, _, _ = path.read_text(encoding="utf-8").partition(MARK)
    return before + MARK + _GAP.sub("\n", _LABELS.sub("", _SOURCE.sub("", rendered)))


async def _write() -> None:
    with TemporaryDirectory() as folder:
        for path, text in (await written(await built_helm(Path(folder)))).items():
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_write())
