"""What everything written down is made of: the two base models, and the names that Kubernetes allows."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
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

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class Input(Model):
    """Written by people: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")
