"""What `doctor` says, as plain strings. Pure: no terminal, no clock."""

from rollwright.cli.outputs import Finding
from rollwright.cli.text import one_line
from rollwright.cli.views import moment
from rollwright.cluster.left import Left, Settings
from rollwright.workflows.describing import ordinals


def settings(wanted: Settings) -> str:
    """LWS's own settings, as a user has them."""
    return (
        f"replicas {wanted.replicas}, partition {wanted.partition}, maxUnavailable {wanted.max_unavailable}, "
        f"maxSurge {wanted.max_surge}"
    )


def facts(found: Finding) -> list[tuple[str, str]]:
    """What `doctor` says of one thing it has found, below its heading: names and values."""
    rows = [("what", one_line(found.what)), *(_how_left(found.left) if found.left else [])]
    return [*((name, value) for name, value in rows if value), *(("next", one_line(way)) for way in found.next)]


def _how_left(left: Left) -> list[tuple[str, str]]:
    surge = f" ({left.settings.replicas} and a surge of {left.surge})" if left.surge else ""
    groups = [
        f"{what} {ordinals(which)}"
        for what, which in (
            ("on the template that stands", left.updated),
            ("on an older one", left.outdated),
            ("not ready", left.unready),
        )
        if which
    ]
    return [
        ("since", moment(left.since.isoformat()) if left.since else ""),
        ("stands", f"partition {left.partition}, {left.groups_asked} groups{surge}"),
        ("groups", "; ".join(groups)),
        ("edited", one_line(left.edited)),
        ("waiting", one_line(f"the user's settings: {settings(left.settings)}")),
        *(("because", obstacle.value) for obstacle in left.obstacles),
    ]
