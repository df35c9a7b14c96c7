"""What the flags of `rollwright worker` say. What can't be meant is refused: each raises CommandError."""

from pydantic import TypeAdapter, ValidationError

from rollwright.cli import options
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.text import one_line
from rollwright.rollout.models import Name, ObjectName
from rollwright.worker.endpoints import Address, EndpointError
from rollwright.worker.permissions import ALL_NAMESPACES
from rollwright.worker.policies import DEFAULT_CONFIG_MAP, Place
from rollwright.worker.versions import Versioned

_NAME: TypeAdapter[str] = TypeAdapter(ObjectName)


def cluster(text: str | None) -> str | None:
    """The name of its cluster, if it has one."""
    if text is None:
        return None
    try:
        return TypeAdapter[str](Name).validate_python(text)
    except ValidationError:
        raise CommandError(
            f"--cluster: {one_line(text)!r} is no name of a cluster: lower-case letters, digits and '-', at most 63",
            code=ExitCode.BAD_INPUT,
        ) from None


def address(option: str, text: str | None) -> Address | None:
    """Where to listen, if anywhere."""
    try:
        return Address.parse(text) if text else None
    except EndpointError as error:
        raise CommandError(
            f"{option}: {error}", todo="Write it as in 127.0.0.1:9090, or [::1]:9090.", code=ExitCode.BAD_INPUT
        ) from None


def targets(namespaces: list[str], *, everywhere: bool) -> tuple[str, ...]:
    """The namespaces of its targets, as far as they are told."""
    if everywhere and namespaces:
        raise CommandError("give --namespace or --all-namespaces, not both", code=ExitCode.BAD_INPUT)
    return (ALL_NAMESPACES,) if everywhere else tuple(dict.fromkeys(map(_name, namespaces)))


def followed(namespaces: list[str], policies: str | None, *, follows: bool) -> tuple[str, ...]:
    """The namespaces of the targets to follow."""
    if follows:
        return tuple(dict.fromkeys(map(_name, namespaces or ["default"])))
    if namespaces:
        raise CommandError("--follow-namespace says where to follow; give --follow too", code=ExitCode.BAD_INPUT)
    if policies is not None:
        raise CommandError("--policies says what to follow by; give --follow too", code=ExitCode.BAD_INPUT)
    return ()


def place(text: str | None) -> Place:
    """Where the policies are."""
    namespace, separator, name = (DEFAULT_CONFIG_MAP if text is None else text).rpartition("/")
    return Place(_name(name), _name(namespace) if separator else "")


def versioned(deployment: str | None, build_id: str | None, *, become_current: bool) -> Versioned | None:
    """Which build this is; none without a word of it."""
    if not deployment and not build_id and not become_current:
        return None
    if not deployment or not build_id:
        raise CommandError(
            "--deployment, --build-id and --become-current go together: a build is one of a deployment",
            todo="Give --deployment and --build-id; docs/upgrading.md says what for.",
            code=ExitCode.BAD_INPUT,
        )
    options.check_deployment(deployment)
    return Versioned(deployment, build_id, becomes_current=become_current)


def _name(text: str) -> str:
    try:
        return _NAME.validate_python(text)
    except ValidationError:
        raise CommandError(
            f"{one_line(text)!r} is no name of a namespace or a ConfigMap",
            todo="Write --namespace and --follow-namespace NAMESPACE, and --policies NAME or NAMESPACE/NAME.",
            code=ExitCode.BAD_INPUT,
        ) from None
