"""What everything written down is made of: the two base models, and the names that Kubernetes allows."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
# LWS names pods NAME-ORDINAL-WORKER and puts NAME into labels, so a name longer than a label can't work.
Name = Annotated[str, StringConstraints(pattern=rf"^{_LABEL}$", max_length=63)]
"""A DNS label, as Kubernetes wants for namespaces, containers and whatever ends up in a label."""

ObjectName = Annotated[str, StringConstraints(pattern=rf"^{_LABEL}(\.{_LABEL})*$", max_length=253)]
"""The name of an object that ends up in no label: longer, and with dots."""


class Model(BaseModel):
    """Frozen; camelCase outside as in Kubernetes.

    What one version writes another may read, so unknown fields are passed over.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,  # Temporal's SDK logs what can't be read, and a template is nobody's there
    )


class Formatted(Model):
    """What one version of rollwright writes, and another may have to go by.

    Fields may come at any time. The format goes up where an older version that passed them over would do harm: it
    refuses what it doesn't know, before it has read the rest. What bears no format was written in the first.
    """

    FORMAT: ClassVar[int] = 1
    """The newest that is known here."""
    format: int = 1

    @model_validator(mode="before")
    @classmethod
    def _is_known(cls, content: object) -> object:
        found = content.get("format") if isinstance(content, dict) else None
        if isinstance(found, int) and found > cls.FORMAT:
            raise ValueError(unknown_format(found, cls.FORMAT))
        return content


def unknown_format(found: int, known: int) -> str:
    """What to say of something that a newer version has written."""
    return (
        f"it is of format {found}, and this version of rollwright knows {known} at most: a newer one has written it, "
        "so go on with that one"
    )


class Input(Model):
    """Written by people: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")
