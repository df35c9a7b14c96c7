"""What all verbs are as commands."""

from typing import Any

from typer.core import TyperCommand, TyperOption


class Verb(TyperCommand):
    """A verb; an option whose name has a second one after a slash (`--output/--json`) is given that word by it."""

    def __init__(self, name: str | None, *, help: str | None = None, **settings: Any) -> None:
        """As a command of typer's; `help` is folded by the terminal, not where its source is."""
        super().__init__(name, help=help and _flowing(help), **settings)

    # The parser is of typer's own copy of click's class, which it does not export.
    def make_parser(self, ctx: Any) -> Any:
        """Take `--json` for `--output json`, so that both are one option."""
        parser = super().make_parser(ctx)
        for option in self.params:
            if isinstance(option, TyperOption) and option.secondary_opts and not option.is_flag:
                (name,) = option.secondary_opts
                parser.add_option(
                    obj=option, opts=[name], dest=option.name, action="store_const", const=name.removeprefix("--")
                )
        return parser

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what stands before an option whose value a shell completes; left to itself, nothing of it is read."""
        waiting = (option for option in self.params if isinstance(option, TyperOption) and not option.is_flag)
        if ctx.resilient_parsing and any(args[-1:] == [flag] for option in waiting for flag in option.opts):
            args = args[:-1]
        return super().parse_args(ctx, args)


def _flowing(text: str) -> str:
    """Each paragraph on one line, but for those with lines that stand in: examples."""
    return "\n\n".join(
        paragraph if "\n  " in paragraph else paragraph.replace("\n", " ") for paragraph in text.split("\n\n")
    )
