"""What `plan` has looked at beforehand, as people see it."""

from collections.abc import Iterable, Sequence

from rollwright.cli.outputs import Checked, Verdict
from rollwright.cli.text import one_line


def rows(checks: Iterable[Checked]) -> list[tuple[Verdict, str, str, str]]:
    """What came of each, what it is about, what was found, and what to do; on one line each."""
    return [(check.verdict, one_line(check.about), one_line(check.what), one_line(check.todo)) for check in checks]


def summary(checks: Sequence[Checked]) -> str:
    """All of them in a few words, as in "9 checks: 7 ok, 1 failed, 1 not checked"."""
    numbers = ((sum(check.verdict is verdict for check in checks), verdict) for verdict in Verdict)
    return f"{len(checks)} checks: " + ", ".join(f"{number} {verdict}" for number, verdict in numbers if number)
