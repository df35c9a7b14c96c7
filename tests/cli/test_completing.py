"""Shell completion, by the mechanism that shells use, against a real Temporal server; and its choice of words."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Timer
from typing import TYPE_CHECKING

import pytest
import typer
import yaml
from temporalio.client import Client
from typer._click.shell_completion import CompletionItem
from typer._completion_classes import BashComplete, FishComplete, PowerShellComplete, ZshComplete
from typer.core import TyperCommand

from rollwright.cli import completing
from rollwright.rollout.spec import Target, TargetKind
from tests.cli.played import flags, rollout

if TYPE_CHECKING:
    from tests.cli.conftest import Run, Start


async def complete(start: "Start", line: str, **env: str) -> list[str]:
    """What bash is told when TAB is pressed at the end of a line; nothing is ever said on stderr."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    ran = await (await start(_ROLLWRIGHT_COMPLETE="complete_bash", **words, **env)).end()
    assert (ran.stderr, ran.code) == ("", 0)
    return ran.stdout.split()


async def listed(server: Client, *names: str) -> None:
    """Once the rollouts can be searched for."""
    wanted = {rollout(name) for name in names}
    async with asyncio.timeout(60):
        while not wanted <= {found.id async for found in server.list_workflows("WorkflowType = 'Rollout'")}:
            await asyncio.sleep(0.1)


@pytest.mark.real
async def test_targets_ids_and_namespaces_are_those_that_temporal_knows(
    server: Client, run: "Run", start: "Start"
) -> None:
    await run(*flags("tab-one"))
    await run(*flags("tab-two"))
    await run(*flags("tab-other"), "-n", "elsewhere")
    await listed(server, "tab-one", "tab-two")
    lines = {
        "rollwright status lws/tab-": ["lws/tab-one", "lws/tab-other", "lws/tab-two"],
        "rollwright pause rollout/lws/inference/tab-": [rollout("tab-one"), rollout("tab-two")],
        "rollwright start -n inference --target lws/tab-o": ["lws/tab-one"],
        "rollwright history lws/tab-one -n ": ["inference"],
    }
    for line, suggested in lines.items():
        async with asyncio.timeout(120):  # on a busy machine a server may take longer than there is patience for
            while sorted(await complete(start, line)) != suggested:
                pass


@pytest.mark.real
async def test_a_server_that_is_away_or_silent_has_nothing_suggested_and_nothing_said(start: "Start") -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (1, silent.getsockname()[1]):
            assert await complete(start, "rollwright status lws/", address=f"127.0.0.1:{port}") == []


@pytest.mark.real
async def test_verbs_options_and_their_values_are_suggested_without_any_server(start: "Start") -> None:
    away = {"address": "127.0.0.1:1"}
    assert await complete(start, "rollwright pro", **away) == ["promote"]
    assert {"--output", "--json", "--reason", "--context"} <= set(await complete(start, "rollwright pause --", **away))
    assert await complete(start, "rollwright list -o ", **away) == ["table", "wide", "json", "yaml"]
    assert await complete(start, "rollwright nonsense lws/", **away) == []


HOSTILE = "\x1b[2J[x/b] \\$(touch /tmp/x) `id`\n'\"'; now"


class Pressed(typer.Context):
    """TAB after these words."""

    def __init__(self, **given: object) -> None:
        super().__init__(TyperCommand("status"))
        self.params = {"namespace": None, "target": None, "kubeconfig": None, "context": None, **given}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        completing._Known(Target(namespace="inference", name="llm"), "progressing"),
        completing._Known(Target(namespace="staging", name="llm"), "completed"),
        completing._Known(Target(kind=TargetKind.STATEFUL_SET, namespace="inference", name="web"), HOSTILE),
    ]
    monkeypatch.setattr(completing, "_known", lambda: found)


@pytest.mark.usefixtures("known")
def test_a_target_in_several_namespaces_is_suggested_once_with_its_newest_rollout() -> None:
    assert completing.targets(Pressed(), "lws/") == [("lws/llm", "namespace inference, progressing")]


@pytest.mark.usefixtures("known")
def test_without_a_namespace_ids_are_suggested_too_and_with_one_only_what_is_in_it() -> None:
    assert {word for word, _ in completing.targets(Pressed(), "")} == {
        "lws/llm",
        "sts/web",
        "rollout/lws/inference/llm",
        "rollout/lws/staging/llm",
        "rollout/sts/inference/web",
    }
    assert completing.targets(Pressed(namespace="staging"), "") == [("lws/llm", "namespace staging, completed")]


@pytest.mark.usefixtures("known")
def test_namespaces_are_those_of_the_target_that_is_given() -> None:
    assert [word for word, _ in completing.namespaces(Pressed(target="lws/llm"), "")] == ["inference", "staging"]
    assert [word for word, _ in completing.namespaces(Pressed(target="sts/web"), "")] == ["inference"]
    assert [word for word, _ in completing.namespaces(Pressed(), "s")] == ["staging"]


SHELLS = (BashComplete, ZshComplete, FishComplete, PowerShellComplete)


def written(suggestions: completing.Suggestions) -> Iterator[str]:
    """What each shell is told."""
    for shell in SHELLS:
        for word, what in suggestions:
            item = CompletionItem(word, help=what)
            yield shell(TyperCommand("status"), {}, "rollwright", "_ROLLWRIGHT_COMPLETE").format_completion(item)


@pytest.mark.usefixtures("known")
def test_what_a_server_says_steers_neither_the_terminal_nor_the_shell() -> None:
    suggestions = completing.targets(Pressed(namespace="inference"), "sts")
    assert suggestions == [("sts/web", "namespace inference, 2J x/b touch /tmp/x id now")]
    for line in written(suggestions):
        assert not set(line.strip('"').replace('":"', " ").replace(r"\\:", "")) & set("\\$`'\"()[];|&<>*?!~#{}\x1b\n")


@pytest.mark.parametrize("name", ["$(id)", "`id`", "a;id", "a b", "a\\$(id)", "a\n", "LLM", "a'b", "x/y", "a*", ""])
def test_a_workflow_by_an_id_that_names_no_target_is_not_suggested(name: str) -> None:
    assert completing._target_of(f"rollout/lws/inference/{name}") is None
    assert completing._target_of(f"rollout/lws/{name}/llm") is None
    assert completing._target_of(f"rollout/{name}/inference/llm") is None
    assert completing._target_of("lws/llm") is None


def test_contexts_that_a_shell_would_run_are_not_suggested(tmp_path: Path) -> None:
    names = [
        "arn:aws:eks:eu-west-1:1:cluster/gpu",
        "kubernetes-admin@kubernetes",
        "$(id)",
        "a`id`",
        "a;id",
        "a\\",
        "a b",
    ]
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump({"contexts": [{"name": name} for name in names]}))
    assert [word for word, _ in completing.contexts(Pressed(kubeconfig=str(file)), "")] == names[:2]


def test_whoever_presses_tab_does_not_wait_for_a_thread_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "_PATIENCE_SECONDS", 0.05)
    hanging = Event()

    async def ask() -> str:
        await asyncio.to_thread(hanging.wait)
        return "answer"

    async def give_up() -> str:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ask(), 0.01)
        raise TimeoutError

    def release_late() -> None:
        released_late.append(True)
        hanging.set()

    released_late: list[bool] = []
    late = Timer(60, release_late)
    late.start()
    try:
        assert [completing._at_once(what, "nothing") for what in (ask, give_up)] == ["nothing"] * 2
    finally:
        late.cancel()
        hanging.set()
    assert not released_late


@pytest.mark.parametrize("error", [PermissionError(), RuntimeError(), KeyError("name"), AttributeError()])
def test_whatever_goes_wrong_there_is_nothing_to_suggest(error: Exception) -> None:
    async def ask() -> str:
        raise error

    assert completing._at_once(ask, "nothing") == "nothing"


def test_contexts_are_those_of_the_kubeconfig_and_a_bad_one_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("contexts: [{name: gpu, context: {namespace: inference}}, {name: cpu}]")
    assert completing.contexts(Pressed(kubeconfig=str(file)), "g") == [("gpu", "namespace inference")]
    file.write_text("{")
    assert completing.contexts(Pressed(kubeconfig=str(file)), "g") == []
