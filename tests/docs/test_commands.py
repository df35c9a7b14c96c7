"""Every command that a page shows is run as it stands there."""

import shlex
from itertools import groupby
from pathlib import Path

import pytest

from docs.reference import verbs
from rollwright.cli.main import VERBS
from tests.docs.commands import Order, order_of, orders
from tests.docs.pages import ROOT, SHELL, blocks
from tests.docs.stand import Stand

RUN = [order for order in orders() if not order.run_by and not order.not_run]
PAGES = [page for page, _ in groupby(order.block.page for order in RUN)]


@pytest.mark.real
@pytest.mark.parametrize("page", PAGES)
async def test_the_commands_of_a_page_do_what_it_says(page: str, stand: Stand, tmp_path: Path) -> None:
    await stand.begin_page(tmp_path, story=any(order.story for order in RUN if order.block.page == page))
    for block in blocks(ROOT / page):
        if block.title:
            stand.write(block)
        if block.language in SHELL and (order := order_of(block)) in RUN:
            try:
                await stand.run(order)
            except AssertionError as error:
                error.add_note(f"{block}\n{stand.told()}")
                raise


@pytest.mark.parametrize("order", [order for order in orders() if order.run_by], ids=lambda order: str(order.block))
def test_what_another_test_runs_is_run_there(order: Order) -> None:
    assert (ROOT / order.run_by).is_file()


def test_few_commands_are_not_run_and_each_says_why() -> None:
    left = [order for order in orders() if order.not_run]
    print(*(f"{order.block}: {order.not_run}" for order in left), sep="\n")
    assert len(left) <= 5


def examples() -> list[str]:
    """Of the help of all verbs."""
    found = [verbs.command(verb) for verb in VERBS]
    inner = [sub for command in found for sub in getattr(command, "commands", {}).values()]
    return [line for command in (*found, *inner) for line in verbs.told(command).examples.splitlines()]


@pytest.mark.parametrize("example", examples())
def test_an_example_in_the_help_is_understood(example: str, tmp_path: Path) -> None:
    """Its verb and options are there; nothing is run."""
    plain = example.replace("$(", "").replace(")", "").replace("/etc/rollwright/connections", str(tmp_path))
    words = [word for word in shlex.split(plain) if word not in ("export", "|")]
    (start,) = [number for number, word in enumerate(words) if word.endswith("rollwright")]
    ends = [number for number, word in enumerate(words) if word in (">", "jq", "get")]
    given = words[start + 1 : min(ends, default=len(words))]
    command = verbs.command(given[0])
    rest = given[1:]
    if hasattr(command, "commands"):
        command, rest = command.commands[given[1]], given[2:]
    context = command.make_context(given[0], rest)
    assert context.params
