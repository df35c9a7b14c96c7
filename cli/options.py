"""Words and flags that several verbs share, so that they are spelled and read alike."""

import re
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from rollwright.cli import completing
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.kubeconfig import namespace_in_use
from rollwright.rollout.models import Name
from rollwright.rollout.quantities import DurationSeconds
from rollwright.rollout.spec import Target, TargetKind
from rollwright.workflows.contract import Phase

TargetText = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="lws/NAME, sts/NAME, or a rollout's id: rollout/lws/NAMESPACE/NAME. Of a cluster with a name: "
        "lws/NAME@CLUSTER.",
        autocompletion=completing.targets,
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="Kubernetes namespace of the target; that of the kubeconfig's context without it.",
        autocompletion=completing.namespaces,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="NAME",
        help="The name that workers of the target's cluster go by; none where there is one cluster.",
    ),
]
File = Annotated[str, typer.Option("--file", "-f", help="The rollout, as YAML; - reads stdin.")]
Output = Annotated[
    Format,
    typer.Option(
        "--output/--json",
        "-o",
        help="How to print it; wide is a table with more columns. --json is short for -o json, which "
        "`rollwright schema --of` describes.",
    ),
]
UiUrl = Annotated[
    str,
    typer.Option(
        "--ui",
        envvar="ROLLWRIGHT_UI_URL",
        help="Address of the Temporal UI; http://localhost:8233 if Temporal is local.",
    ),
]
TaskQueue = Annotated[
    str,
    typer.Option(envvar="ROLLWRIGHT_TASK_QUEUE", help="Where workers of the target's cluster take tasks from."),
]
LastTaskQueue = Annotated[
    str | None,
    typer.Option(
        "--task-queue",
        envvar="ROLLWRIGHT_TASK_QUEUE",
        help="Where workers of the target's cluster take tasks from; that of its last rollout without it.",
    ),
]
Kubeconfig = Annotated[
    str | None, typer.Option("--kubeconfig", metavar="PATH", help="Of the target's cluster; KUBECONFIG without it.")
]
Context = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="NAME",
        help="Of the kubeconfig; its current one without it.",
        autocompletion=completing.contexts,
    ),
]
Connections = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="ROLLWRIGHT_CONNECTIONS",
        exists=True,
        file_okay=False,
        help="A folder for each connection that gates may name, with its url and credentials.",
    ),
]
Notify = Annotated[
    Path | None,
    typer.Option(
        "--notify",
        metavar="PATH",
        envvar="ROLLWRIGHT_NOTIFY",
        help="Whom to tell what becomes of rollouts, as YAML; nobody without it.",
    ),
]
Deployment = Annotated[
    str | None,
    typer.Option(
        "--deployment",
        metavar="NAME",
        envvar="ROLLWRIGHT_DEPLOYMENT",
        help="Temporal's worker deployment: all workers that share a task queue, whatever their build.",
    ),
]
Check = Annotated[
    bool, typer.Option("--check/--no-check", help="Have the cluster check the change first, by a dry run.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Print a line a stage until the rollout has ended.")]
WaitTimeout = Annotated[
    str,
    typer.Option(
        metavar="DURATION",
        help="How long it may stand paused, stalled, at a gate or unanswered while it is waited for.",
    ),
]
Svg = Annotated[
    str, typer.Option("--svg", metavar="PATH", help="Also write what is shown as a picture, when all of it is.")
]

_KINDS = {kind.short: kind for kind in TargetKind}
_TARGET = re.compile(
    r"(?:rollout/(?P<id_kind>\w+)/(?P<namespace>[^/]+)|(?P<kind>\w+))/(?P<name>[^/@]+)(?:@(?P<cluster>[^/@]+))?"
)


def read_target(text: str, namespace: str | None, kubeconfig: str | None = None, context: str | None = None) -> Target:
    """The target that somebody names; without a namespace it is in the one in use. Raises CommandError."""
    match = _TARGET.fullmatch(text)
    kind = _KINDS.get(match["id_kind"] or match["kind"]) if match else None
    if not match or not kind:
        raise CommandError(
            f"{text!r} names no target",
            todo="Write lws/NAME or sts/NAME with -n NAMESPACE, or a rollout's id: rollout/lws/NAMESPACE/NAME; of a "
            "cluster with a name lws/NAME@CLUSTER.",
            code=ExitCode.BAD_INPUT,
        )
    if match["namespace"] and namespace and match["namespace"] != namespace:
        raise CommandError(f"{text} is not in namespace {namespace}; leave -n away", code=ExitCode.BAD_INPUT)
    namespace = match["namespace"] or namespace or namespace_in_use(kubeconfig, context)
    try:
        return Target(kind=kind, name=match["name"], namespace=namespace, cluster=match["cluster"])
    except ValidationError as refused:
        raise CommandError(
            f"{text!r} in namespace {namespace!r} names no target: Kubernetes allows lower-case letters, "
            "digits and '-', at most 63",
            code=ExitCode.BAD_INPUT,
        ) from refused


def check_deployment(text: str) -> None:
    """Temporal separates a deployment from its build by a dot, and workers of another name would ask in vain.

    Raises CommandError.
    """
    try:
        TypeAdapter[str](Name).validate_python(text)
    except ValidationError as refused:
        raise CommandError(
            f"--deployment: {text!r} names none: write lower-case letters, digits and '-', at most 63",
            code=ExitCode.BAD_INPUT,
        ) from refused


def read_seconds(option: str, text: str) -> int:
    """A duration that somebody writes, such as 90, 30s or 1h30m. Raises CommandError if it is none."""
    try:
        return TypeAdapter[int](DurationSeconds).validate_python(int(text) if text.isdecimal() else text)
    except ValidationError as refused:
        why = refused.errors()[0]["msg"].removeprefix("Value error, ")
        raise CommandError(f"{option}: {why}", code=ExitCode.BAD_INPUT) from refused


def read_phase(option: str, text: str) -> Phase:
    """A phase that somebody writes, with blanks or hyphens. Raises CommandError if there is none of that name."""
    phases = {phase.replace(" ", "-"): phase for phase in Phase}
    phase = phases.get(text.strip().lower().replace(" ", "-"))
    if phase is None:
        raise CommandError(
            f"{option}: there is no phase {text!r}", todo=f"Write one of {', '.join(phases)}.", code=ExitCode.BAD_INPUT
        )
    return phase
