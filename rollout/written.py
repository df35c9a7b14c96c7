"""YAML that people write, read within bounds: for rollout files and policies."""

from typing import Any

import yaml

WITHOUT_ALIASES = "write it without aliases (*NAME)"


class Loader(yaml.SafeLoader):
    """A safe loader that says where what it can't construct stands, and where aliases stand.

    With aliases, a few lines may stand for more than can be looked through, or for something that contains itself.
    """

    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self.aliases: list[yaml.Mark] = []
        """Of the document composed last."""

    def compose_document(self) -> yaml.Node | None:
        """The next document."""
        self.aliases = []
        return super().compose_document()

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A part of it."""
        if self.check_event(yaml.AliasEvent):
            mark: yaml.Mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            self.aliases.append(mark)
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - as the library has it
        """The value of a part: numbers and dates that are none raise whatever Python says of them."""
        try:
            return super().construct_object(node, deep=deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
            what = (
                f"{str(node.value)[:80]!r} is no {node.tag.rpartition(':')[2]}; if it is a text, put quotes around it"
            )
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark) from error
