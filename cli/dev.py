"""`rollwright dev`: the embedded Kubernetes, for development only."""
# ruff: noqa: PLC0415 - the verbs import what they need, so that --help and other verbs stay quick

import asyncio
import subprocess
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from rollwright.cli.formats import Format, emit_content
from rollwright.cli.verb import Verb

if TYPE_CHECKING:
    from rollwright.devcluster.cluster import DevCluster

app = typer.Typer(
    help="An embedded Kubernetes for development: real control plane, played nodes and pods, GPUs.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Name = Annotated[str, typer.Option("--name", help="Which cluster; several can run side by side.")]
Result = TypeVar("Result")
Output = Annotated[Format, typer.Option("--output/--json", "-o", help="How to print it. --json is short for -o json.")]


@app.command()
def up(
    name: Name = "default",
    gpu_nodes: Annotated[int, typer.Option(min=1, max=500, help="How many nodes.")] = 8,
    gpus_per_node: Annotated[int, typer.Option(min=0, max=64, help="nvidia.com/gpu of each node.")] = 8,
    feature_gates: Annotated[
        str, typer.Option(help="For the API server and the controller manager, e.g. MaxUnavailableStatefulSet=true.")
    ] = "",
) -> None:
    """Bring a cluster up; one that is up is left as it is. The first time builds it, about 8 minutes on 2 cores.

    Examples:
      rollwright dev up

      rollwright dev up --name big --gpu-nodes 100 --gpus-per-node 8

      export KUBECONFIG=$(rollwright dev kubeconfig)

    """
    from rollwright.devcluster.state import ClusterSettings

    gates = parse_feature_gates(feature_gates)
    settings = ClusterSettings(gpu_nodes=gpu_nodes, gpus_per_node=gpus_per_node, feature_gates=gates)
    cluster = _run(_cluster(name).up(name, settings, report=_report))
    _report(f"cluster {name}: export KUBECONFIG={cluster.kubeconfig}")


@app.command()
def down(name: Name = "default") -> None:
    """End all processes of a cluster and remove its data.

    Examples:
      rollwright dev down

      rollwright dev down --name big

    """
    cluster = _cluster(name)
    existed = cluster.record is not None
    _run(cluster.down(report=_report))
    _report(f"cluster {name} is gone" if existed else f"there was no cluster {name}")


@app.command(cls=Verb)
def status(name: Name = "default", *, output: Output = Format.TABLE) -> None:
    """Show whether a cluster is up and what each of its parts does. Exits 1 if it isn't up.

    Examples:
      rollwright dev status

      rollwright dev status --name big --json

    """
    cluster = _cluster(name)
    is_up = _run(cluster.is_up())
    view = _status_view(cluster, is_up=is_up)
    if output.is_data:
        emit_content(view, output)
    else:
        typer.echo(_status_text(view))
    if not is_up:
        raise typer.Exit(1)


@app.command()
def logs(
    part: Annotated[str, typer.Argument(help="Which part; without one, all of them.")] = "",
    name: Name = "default",
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
) -> None:
    """Show what a part has logged: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok, lws-stand-in.

    Examples:
      rollwright dev logs kube-apiserver

      rollwright dev logs lws-stand-in --follow

    """
    cluster = _cluster(name)
    if cluster.record is None:
        _fail(f"there is no cluster {name}: bring it up with `rollwright dev up --name {name}`")
    paths = {str(status.part): str(status.log) for status in cluster.status()}
    if part and part not in paths:
        _fail(f"no part {part!r}: use one of {', '.join(paths)}")
    wanted = [paths[part]] if part else list(paths.values())
    command = ["tail", "--lines=+1", *(["--follow=name"] if follow else []), *wanted]
    try:
        subprocess.run(command, check=False)
    except KeyboardInterrupt:
        raise typer.Exit from None


@app.command()
def kubeconfig(name: Name = "default") -> None:
    """Print the path of a cluster's kubeconfig.

    Examples:
      export KUBECONFIG=$(rollwright dev kubeconfig)

      kubectl --kubeconfig $(rollwright dev kubeconfig --name big) get nodes

    """
    cluster = _cluster(name)
    if cluster.record is None:
        _fail(f"there is no cluster {name}: bring it up with `rollwright dev up --name {name}`")
    typer.echo(cluster.kubeconfig)


def parse_feature_gates(text: str) -> dict[str, bool]:
    """Read gates as Kubernetes writes them, `A=true,B=false`. Raises typer.BadParameter for anything else."""
    gates = {}
    for item in filter(None, text.split(",")):
        gate, _, value = item.partition("=")
        if not gate.isalnum() or value not in ("true", "false"):
            raise typer.BadParameter(f"--feature-gates: {item!r} is not NAME=true or NAME=false")
        gates[gate] = value == "true"
    return gates


def _cluster(name: str) -> "DevCluster":
    from rollwright.devcluster import DevClusterError
    from rollwright.devcluster.cluster import DevCluster

    try:
        return DevCluster(name)
    except DevClusterError as error:
        _fail(str(error))


def _status_view(cluster: "DevCluster", *, is_up: bool) -> dict[str, Any]:
    record = cluster.record
    return {
        "name": cluster.name,
        "up": is_up,
        "kubeconfig": str(cluster.kubeconfig) if record else None,
        "settings": record.settings.model_dump() if record else None,
        "parts": [
            {"part": str(status.part), "state": str(status.state), "pid": status.pid, "log": str(status.log)}
            for status in cluster.status()
        ],
    }


def _status_text(view: dict[str, Any]) -> str:
    lines = [f"cluster {view['name']}: {'up' if view['up'] else 'not up'}"]
    if view["kubeconfig"]:
        lines.append(f"kubeconfig: {view['kubeconfig']}")
    lines += [f"{part['part']:<24} {part['state']:<8} {part['pid'] or '':>8}" for part in view["parts"]]
    return "\n".join(lines)


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    from rollwright.devcluster import DevClusterError

    try:
        return asyncio.run(work)
    except DevClusterError as error:
        _fail(str(error))


def _report(line: str) -> None:
    typer.echo(line, err=True)


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    app(prog_name="rollwright dev")
