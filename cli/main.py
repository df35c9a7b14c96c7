"""`rollwright`: durable rollouts of GPU-bound workloads. Each verb is a module of its own, imported when it is used."""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from rollwright.cli.failure import CommandError, ExitCode, report
from rollwright.cli.verb import Verb
from rollwright.worker.keyring import KeysError

# What `rollwright --help` says of each verb; its module holds a typer `app`.
VERBS = {
    "start": "Start a rollout.",
    "lint": "Check rollout files, without a cluster.",
    "plan": "Show how a rollout would go, without touching anything.",
    "status": "Show where a rollout stands.",
    "watch": "Follow a rollout live until it ends.",
    "list": "List rollouts.",
    "pause": "Hold a rollout back from its next step.",
    "resume": "Let a paused or stalled rollout go on.",
    "promote": "Let a rollout pass the gate at which it waits.",
    "approve": "Approve what a rollout shows at an approval gate.",
    "abort": "End a rollout: give the surge back, update nothing further.",
    "rollback": "Take a rollout back to the revision it started from.",
    "report": "Tell what became of a rollout, as a page or in words.",
    "history": "Show the templates that a target had.",
    "diff": "Show how templates of a target differ.",
    "undo": "Start a rollout back to a template that a target had.",
    "reject": "Have a template refused from now on, or reject at an approval gate.",
    "doctor": "Find what rollouts have left behind, and mend it.",
    "schema": "Print the JSON Schema of the rollout file, or of what -o json prints.",
    "worker": "Run a worker: it carries rollouts out.",
    "setup": "Have a Temporal namespace ready for rollouts.",
    "codec-server": "Let the Temporal UI read sealed payloads.",
    "versions": "Show the builds of the workers, and make one current.",
    "demo": "See a rollout on an embedded Kubernetes, from nothing.",
    "dev": "An embedded Kubernetes for development.",
}


_ABOUT_KEYS = "docs/temporal.md says how payloads are sealed, and how keys are changed."


class Verbs(TyperGroup):
    """Lists the verbs without importing them, so that help is quick and a broken verb breaks no other."""

    def __init__(self, **settings: Any) -> None:
        """Take the table of verbs for the list of commands."""
        super().__init__(**settings)
        self.commands = {verb: TyperCommand(verb, help=line) for verb, line in VERBS.items()}

    # Context and Command are typer's own copies of click's classes, which it does not export.
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Import the verb that was asked for; what is wrong with it is no matter of a shell that completes."""
        verb, command, rest = super().resolve_command(ctx, args)
        try:
            return verb, command and _load(str(verb)), rest
        except CommandError:
            if ctx.resilient_parsing:
                return None, None, rest
            raise

    def invoke(self, ctx: Any) -> Any:
        """Report failures in words, with their exit code."""
        try:
            return super().invoke(ctx)
        except CommandError as error:
            report(error)
            raise typer.Exit(error.code) from error
        except KeysError as error:
            report(CommandError(str(error), todo=_ABOUT_KEYS))
            raise typer.Exit(ExitCode.COULD_NOT) from error


def _load(verb: str) -> Any:
    try:
        module = importlib.import_module(module_of(verb))
    except ImportError as error:
        raise CommandError(
            f"`rollwright {verb}` can't be loaded: {error}", todo="Install what it needs: pip install 'rollwright[dev]'"
        ) from error
    for registered in module.app.registered_commands:
        registered.cls = Verb
    command = typer.main.get_command(module.app)
    command.name = verb
    return without_installing(command)


def module_of(verb: str) -> str:
    """The name of the module that a verb is."""
    return f"rollwright.cli.{verb.replace('-', '_')}"


def without_installing(command: Any) -> Any:
    """A command without the options that install completion: typer adds them to all, they belong to `rollwright`."""
    command.params = [
        option for option in command.params if option.name not in ("install_completion", "show_completion")
    ]
    return command


app = typer.Typer(cls=Verbs, rich_markup_mode="rich", no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if wanted:
        from importlib import metadata  # noqa: PLC0415 - slow to import, and seldom wanted

        typer.echo(f"rollwright {metadata.version('rollwright')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Durable rollouts of GPU-bound workloads on Kubernetes, one Temporal workflow each.

    Temporal is found by its own environment configuration: TEMPORAL_ADDRESS,
    TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_*, or a profile of
    temporal.toml. ROLLWRIGHT_KEYS is a file of keys that seal what it keeps.

    TARGET is lws/NAME or sts/NAME, in the namespace that -n gives, else that of
    the kubeconfig's context; or a rollout's id, rollout/lws/NAMESPACE/NAME.

    -o wide prints more of what is known, -o json (or --json) and -o yaml print
    it for programs. Times are in your own zone, there in UTC.

    Exit codes: 0 done, 1 could not, 2 bad input; of start --wait and watch also
    3 the rollout was rolled back, 4 it was aborted, 5 it stands paused, stalled
    or at a gate for too long; of status --wait-for also 5 the time is over; of
    start --wait 6 it was superseded: another change was put in the place of the
    one that was started.

    Examples:
      rollwright lint rollout.yaml
      rollwright plan -f rollout.yaml --offline
      rollwright start -f rollout.yaml --wait
      rollwright watch lws/llm -n inference
      rollwright pause lws/llm -n inference --reason "error rate is up"

    """


def main() -> None:
    """Run the command line; the entry point."""
    with left():
        app(prog_name="rollwright")


@contextlib.contextmanager
def left() -> Iterator[None]:
    """Leave the process as soon as a command is done."""
    try:
        yield
    except SystemExit as end:
        if "temporalio" not in sys.modules or not isinstance(end.code, int):
            raise
        from rollwright.worker import tracing  # noqa: PLC0415 - only commands that have loaded it need it

        tracing.flush()
        # The SDK's own threads may still hold the interpreter when it is taken down, which aborts the process after
        # everything is done: leave without taking it down.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)


if __name__ == "__main__":
    main()
