"""Which groups serve by the endpoints of a Service, and what it takes to see them."""

import pytest

from rollwright.cluster import names
from rollwright.cluster.api import ENDPOINT_SLICES, Api, Kind
from rollwright.cluster.errors import ForbiddenError, RefusedError
from rollwright.cluster.probing import Prober
from rollwright.cluster.serving import EndpointsWitness, HttpWitness, check_rights, in_endpoints, witness_of
from rollwright.cluster.watching import Watches
from rollwright.rollout.spec import BY_PODS, AnswersHttp, InEndpoints, Serves
from tests.cluster.objects import Json, lws, pod

LEADER = pod(3)
IN_SERVICE = Serves(endpoint=InEndpoints(service="llm"))


def endpoint(uid: str = "u-llm-3-old", name: str = "llm-3", kind: str = "Pod", **conditions: bool | None) -> Json:
    return {"conditions": conditions, "targetRef": {"kind": kind, "name": name, "uid": uid}}


def slice_of(*endpoints: Json) -> Json:
    return {"metadata": {"name": "llm-x", "labels": {names.SERVICE_NAME: "llm"}}, "endpoints": list(endpoints)}


@pytest.mark.parametrize(
    "slices",
    [
        pytest.param([slice_of(endpoint(ready=True, serving=True, terminating=False))], id="ready"),
        pytest.param([slice_of(endpoint())], id="of unknown readiness"),
        pytest.param([slice_of(endpoint(ready=None, terminating=None))], id="of none"),
        pytest.param([slice_of(), slice_of(endpoint("u-0"), endpoint(ready=True))], id="in one of several slices"),
        pytest.param([slice_of(endpoint(ready=False)), slice_of(endpoint(ready=True))], id="moved to another slice"),
    ],
)
def test_a_leader_among_the_ready_endpoints_serves(slices: list[Json]) -> None:
    assert in_endpoints(slices, "llm")(LEADER) == ""


@pytest.mark.parametrize(
    ("slices", "says"),
    [
        pytest.param([slice_of(endpoint("u-0"))], "not in the endpoints of service llm", id="one before it"),
        pytest.param([slice_of(endpoint(name="llm-4"))], "not in the endpoints of service llm", id="another"),
        pytest.param([slice_of(endpoint(kind="Node"))], "not in the endpoints of service llm", id="no pod"),
        pytest.param([slice_of({"addresses": ["10.0.0.1"]})], "not in the endpoints of service llm", id="no reference"),
        pytest.param([slice_of(endpoint(ready=False))], "not in the endpoints of service llm", id="not ready"),
        pytest.param(
            [slice_of(endpoint(ready=True, terminating=True))], "not in the endpoints of service llm", id="leaving"
        ),
        pytest.param([slice_of()], "service llm has no endpoints", id="none"),
        pytest.param([{**slice_of(), "endpoints": None}], "service llm has no endpoints", id="null"),
        pytest.param([], "service llm has no endpoints", id="no such service"),
    ],
)
def test_any_other_does_not_and_it_is_said_why(slices: list[Json], says: str) -> None:
    assert in_endpoints(slices, "llm")(LEADER) == f"llm-3: {says}"


def test_the_strategy_says_who_is_asked() -> None:
    api = Server()
    who = [
        witness_of(readiness, api, Watches(api), Prober(), namespace="default", target_digest=None)
        for readiness in (BY_PODS, IN_SERVICE, Serves(http=AnswersHttp(port=1, path="/")))
    ]
    assert [type(one) for one in who] == [type(None), EndpointsWitness, HttpWitness]


class Server(Api):
    """An API server on which endpoint slices may not be seen."""

    def __init__(self) -> None:
        pass

    async def list_all(self, kind: Kind, namespace: str, selector: str = "", *, fields: str = "") -> Json:
        assert (kind, namespace, selector) == (ENDPOINT_SLICES, "default", f"{names.SERVICE_NAME}=llm")
        raise ForbiddenError("list endpointslices default: not permitted")


async def test_who_may_not_see_endpoints_is_told_what_to_do_and_only_if_they_are_asked_for() -> None:
    with pytest.raises(RefusedError, match=r"list and watch endpointslices as in deploy/rbac\.yaml, or give readiness"):
        await check_rights(Server(), lws(), IN_SERVICE)
    await check_rights(Server(), lws(), BY_PODS)
