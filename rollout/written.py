"""YAML that people write, read within bounds: for rollout files and policies.

They may be written by somebody who is trusted with less than whoever reads them: in a pull request that CI reads, or in
a ConfigMap that a worker reads, which serves others too. What can't be written as JSON is refused, as all of it goes on
in JSON: what comes out there may be something else, or can't be read any more.
"""

import math
from typing import Any, ClassVar

import yaml

WITHOUT_ALIASES = "write it without aliases (*NAME)"
_LONGEST_NUMBER = 100
"""Characters. With very long ones Python takes very long, and what reads JSON gives up."""
_PREFIX = "tag:yaml.org,2002:"
_NUMBERS = (f"{_PREFIX}int", f"{_PREFIX}float")
_AS_IN_JSON = {*_NUMBERS, *(_PREFIX + kind for kind in ("null", "bool", "str", "seq", "map"))}
_TIMESTAMP = f"{_PREFIX}timestamp"


class Loader(yaml.SafeLoader):
    """A safe loader that says where what it can't construct stands, and where aliases stand.

    With aliases, a few lines may stand for more than can be looked through, or for something that contains itself.
    """

    # A date without quotes is a text to Kubernetes too.
    # The library reads it of the class.
    yaml_implicit_resolvers: ClassVar = {  # type: ignore[misc]
        first: [(tag, pattern) for tag, pattern in known if tag != _TIMESTAMP]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors: ClassVar = {
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag in _AS_IN_JSON
    }

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
            if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
                raise OverflowError
            value = super().construct_object(node, deep=deep)
            if isinstance(value, float) and not math.isfinite(value):
                raise OverflowError
            if isinstance(value, str):
                value.encode()  # not so half a character, as "\\ud800" is
        except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
            kind = node.tag.rpartition(":")[2]
            what = f"{str(node.value)[:80]!r} is no {kind}; if it is a text, put quotes around it"
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark) from error
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - as above
        """A mapping, by texts."""
        mapping = super().construct_mapping(node, deep=deep)
        if others := [key for key in mapping if not isinstance(key, str)]:
            what = f"the key {others[0]!r:.80} is no text; put quotes around it"
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark)
        return mapping
