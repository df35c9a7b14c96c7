"""What is wrong, or can hardly be meant, in rollout files: found without a cluster."""

import difflib
from collections.abc import Iterator
from typing import NamedTuple

import yaml

from rollwright.cli.files import Document, Mistake, MistakesError, aliases, read_raw, repeated_keys, validate
from rollwright.cli.outputs import Remark, Severity
from rollwright.rollout.suspicions import suspicions
from rollwright.rollout.written import Loader

_GROUP = "rollwright"
_MOST_BYTES = 10_000_000
"""Of all documents: what Helm writes may hold much besides."""


class FileLinted(NamedTuple):
    """What was found in one file."""

    rollouts: int
    remarks: tuple[Remark, ...]


class _Read(NamedTuple):
    """One document, or why there is none."""

    document: Document | None
    mistakes: tuple[Mistake, ...] = ()


def lint(path: str) -> FileLinted:
    """Look through all documents of a file, or of stdin if `path` is "-". Raises OSError if it can't be read.

    Documents of other kinds are passed over, as beside a rollout in what Helm writes.
    """
    source = "stdin" if path == "-" else path
    raw = read_raw(path, _MOST_BYTES)
    rollouts, remarks = 0, []
    for read in _documents(source, raw):
        remarks += [_remark(source, Severity.ERROR, mistake) for mistake in read.mistakes]
        if read.document:
            rollouts += 1
            remarks += _of_rollout(read.document)
    if not rollouts and not remarks:
        remarks = [_remark(source, Severity.ERROR, Mistake(0, 0, "there is no rollout in it"))]
    return FileLinted(rollouts, tuple(sorted(remarks, key=lambda remark: (remark.line, remark.column))))


def unreadable(path: str, error: OSError) -> Remark:
    """That a file can't be read."""
    return _remark(path, Severity.ERROR, Mistake(0, 0, f"can't be read: {error.strerror}"))


def _documents(source: str, raw: bytes) -> Iterator[_Read]:
    """One after another, as far as it is YAML; empty ones are left out."""
    try:
        loader = Loader(raw)
        while loader.check_node():
            yield _document(loader, source)
    except (yaml.YAMLError, RecursionError) as error:
        yield _Read(None, (_no_yaml(error),))


def _document(loader: Loader, source: str) -> _Read:
    """One that is not ours isn't constructed: what stands in it is none of our business, and may be without bounds."""
    node = loader.get_node()
    if node is None or not _is_ours(node):
        return _Read(None)
    if loader.aliases:
        return _Read(None, tuple(aliases(loader)))
    try:
        content = loader.construct_document(node)
    except (yaml.YAMLError, RecursionError) as error:  # of this one alone: the next may be whole
        return _Read(None, (_no_yaml(error),))
    if content is None:
        return _Read(None)
    return _Read(Document(source, content, node), tuple(repeated_keys(node)))


def _no_yaml(error: Exception) -> Mistake:
    if isinstance(error, yaml.MarkedYAMLError):
        why = ", ".join(filter(None, (error.context, error.problem)))
        return Mistake.at(error.problem_mark or error.context_mark, f"this is no YAML: {why}")
    return Mistake(0, 0, f"this is no YAML: {error}")


def _is_ours(node: yaml.Node) -> bool:
    """Whether it is to be a rollout: all but what says that it is something else, as Rollouts of other groups do."""
    if not isinstance(node, yaml.MappingNode):
        return True
    said: dict[str, str] = {name.value: value.value for name, value in node.value if _are_scalars(name, value)}
    group, _, rest = said.get("apiVersion", f"{_GROUP}/v1").partition("/")
    if said.get("kind", "Rollout") != "Rollout":
        return group == _GROUP
    return not rest or bool(difflib.get_close_matches(group, [_GROUP], cutoff=0.8))


def _are_scalars(*nodes: yaml.Node) -> bool:
    return all(isinstance(node, yaml.ScalarNode) for node in nodes)


def _of_rollout(document: Document) -> list[Remark]:
    try:
        spec = validate(document)
    except MistakesError as refused:
        return [_remark(document.source, Severity.ERROR, mistake) for mistake in refused.mistakes]
    return [
        _remark(
            document.source,
            Severity.WARNING,
            document.mistake(found.place, f"{'.'.join(map(str, found.place))}: {found.what}"),
        )
        for found in suspicions(spec)
    ]


def _remark(source: str, severity: Severity, mistake: Mistake) -> Remark:
    return Remark(file=source, line=mistake.line, column=mistake.column, severity=severity, message=mistake.what)
