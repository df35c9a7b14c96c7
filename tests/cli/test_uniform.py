"""All verbs speak alike: one spelling for one thing, and examples that can be typed as they stand."""

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from rollwright.cli import main
from rollwright.cli.options import read_target
from rollwright.cli.verb import Verb
from tests.docs.pages import SHELL, blocks

README = Path(__file__).parents[2] / "README.md"
PRINTS_NO_RESULT = {
    "schema": "a JSON Schema is JSON",
    "worker": "it has a log",
    "codec-server": "it serves others",
    "dev up": "it says on stderr what it does",
    "dev down": "it says on stderr what it does",
    "dev logs": "it has a log",
    "dev kubeconfig": "it prints a path, for the shell",
}
OWN_WORDS = {
    ("list", "namespace"): "it lists all namespaces without it",
    ("list", "cluster"): "it lists all clusters without it",
    ("worker", "cluster"): "it says whose steps are taken",
    ("reject", "reason"): "it must be given",
    ("reject", "actor"): "no rollout keeps it",
    ("demo", "kubeconfig"): "without it a cluster is made",
    ("doctor", "target"): "it may be left out",
    ("diff", "to"): "the second of two",
    ("report", "target"): "a file may stand in its place",
    ("status", "wait_timeout"): "of the whole wait, not of standing",
    ("start", "target"): "an option, beside a file",
    ("start", "task_queue"): "there may be no last rollout",
    ("worker", "task_queue"): "as start",
    ("worker", "namespace"): "it has targets in several",
    ("worker", "everywhere"): "it looks for nothing",
    ("plan", "task_queue"): "as start",
    ("reject", "step"): "in place of a revision",
}
"""Verbs that say something else of what is spelled alike, and why."""
LENT = {"-f": {"file", "follow"}, "--follow": {"follow", "follow_targets"}}
"""Flags that stand for two things: those of files and logs are kubectl's."""


def verbs() -> dict[str, TyperCommand]:
    """Each verb by its words, those of groups too."""
    loaded = {verb: main._load(verb) for verb in main.VERBS}
    single = {verb: command for verb, command in loaded.items() if not isinstance(command, TyperGroup)}
    groups = {verb: command for verb, command in loaded.items() if isinstance(command, TyperGroup)}
    return single | {
        f"{verb} {name}": command for verb, group in groups.items() for name, command in group.commands.items()
    }


ALL = verbs()
WITH_TARGET = [
    verb
    for verb, command in ALL.items()
    if any(isinstance(given, TyperArgument) and given.name == "target" for given in command.params)
]


def test_one_thing_has_one_spelling_and_one_spelling_is_one_thing() -> None:
    spelled, named = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for command in ALL.values():
        for option in (given for given in command.params if isinstance(given, TyperOption)):
            spelled[option.name].add(" ".join([*option.opts, *option.secondary_opts]))
            for flag in (*option.opts, *option.secondary_opts):
                named[flag].add(option.name)
    assert {name: ways for name, ways in spelled.items() if len(ways) > 1} == {}
    assert {flag: names for flag, names in named.items() if len(names) > 1} == LENT


def test_one_thing_is_told_in_one_way() -> None:
    told = defaultdict[str, dict[str, str]](dict)
    for verb, command in ALL.items():
        for given in command.params:
            if (verb, given.name) not in OWN_WORDS and not verb.startswith("dev "):
                told[given.name][verb] = str(getattr(given, "help", ""))
    assert {name: by_verb for name, by_verb in told.items() if len(set(by_verb.values())) > 1} == {}


def test_targets_are_named_by_the_same_words_and_flags_everywhere() -> None:
    assert len(WITH_TARGET) >= 12
    for verb in WITH_TARGET:
        options = {option.name for option in ALL[verb].params}
        (target,) = [given for given in ALL[verb].params if given.name == "target"]
        assert {"namespace", "kubeconfig", "context"} <= options, verb
        assert target.metavar == "TARGET", verb
        assert target._custom_shell_complete, verb


def test_every_verb_that_prints_a_result_prints_it_as_o_says() -> None:
    without = {
        verb for verb, command in ALL.items() if "-o" not in {flag for given in command.params for flag in given.opts}
    }
    assert without == set(PRINTS_NO_RESULT)
    for verb in ALL.keys() - without:
        (output,) = [given for given in ALL[verb].params if given.name == "output"]
        assert isinstance(ALL[verb], Verb)
        assert isinstance(output, TyperOption)
        assert (output.opts, output.secondary_opts) == (["--output", "-o"], ["--json"])


@pytest.mark.parametrize("verb", ALL)
def test_every_option_says_what_it_is(verb: str) -> None:
    silent = [given.name for given in ALL[verb].params if not getattr(given, "help", "")]
    assert silent == []


def commands_in(line: str) -> Iterator[str]:
    """What is typed of rollwright on a line of a shell."""
    for found in re.finditer(r"\brollwright ((?:'[^']*'|\"[^\"]*\"|[^|>;)'\"])+)", line):
        yield found[1]


def parse(typed: str) -> None:
    """Fail if a verb doesn't take what is typed."""
    words = shlex.split(typed, comments=True)
    if words == ["--help"]:
        return
    length = next(length for length in (2, 1) if " ".join(words[:length]) in ALL)
    command = ALL[" ".join(words[:length])]
    context = typer.Context(command)
    values, left, _ = command.make_parser(context).parse_args(words[length:])
    assert left == [], typed
    for given in command.params:
        value = values.get(given.name)
        assert value is not None or not given.required, f"{typed}: {given.name} is missing"
        if value is not None:
            check(given, value, context)


def check(given: Any, value: Any, context: typer.Context) -> None:
    descriptor = given.type_descriptor
    if descriptor.is_choice:
        assert value in [str(choice.value) for choice in descriptor.choices], (given.name, value)
    if given.name == "target":
        read_target(value, None if value.startswith("rollout/") else "default")


@pytest.mark.parametrize("verb", ALL)
def test_the_examples_of_a_help_can_be_typed_as_they_stand(verb: str) -> None:
    _, examples, block = str(ALL[verb].help).partition("Examples:\n")
    lines = [line.strip() for line in block.split("\n\n")[0].splitlines() if line.strip()]
    assert examples, f"{verb} has no examples"
    assert lines, f"{verb} has no examples"
    for line in lines:
        typed = list(commands_in(line))
        assert typed, line
        assert any(words.startswith(verb) for words in typed) or verb.startswith("dev "), line
        for words in typed:
            parse(words)


def test_the_examples_of_rollwright_itself_and_of_the_readme_can_be_typed_as_they_stand() -> None:
    shown = [block.text for block in blocks(README) if block.language in SHELL]
    lines = [line for text in shown for line in text.splitlines() if line.startswith("rollwright ")]
    own = str(main.app.registered_callback and main.options.__doc__).partition("Examples:")[2].splitlines()
    typed = [words for line in (*lines, *own) for words in commands_in(line.split(" #")[0])]
    assert len(typed) > 15
    for words in typed:
        parse(words)
