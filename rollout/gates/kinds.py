"""The kinds of gate there are: one entry each."""

from typing import Annotated

from pydantic import Field

from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.capacity import Capacity
from rollwright.rollout.gates.job import JobGate
from rollwright.rollout.gates.prometheus import PrometheusGate
from rollwright.rollout.gates.webhook import WebhookGate
from rollwright.rollout.gates.window import Window

AnyGate = Annotated[
    ApprovalGate | Bake | Capacity | JobGate | PrometheusGate | WebhookGate | Window, Field(discriminator="kind")
]
