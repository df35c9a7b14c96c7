"""The template ledger: the templates a target was asked to have, by whom and why, and what came of it.

LWS deletes its old revisions when an update completes: those with its label for the name of the set. The ledger's are
ControllerRevisions of a label of our own, owned by the target: the garbage collector deletes them with it, nobody else.
Their data can't be changed, their numbers and annotations can.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import NamedTuple

from pydantic import ValidationError

from rollwright.cluster import names, patches
from rollwright.cluster.api import CONTROLLER_REVISIONS, LEADER_WORKER_SETS, Api, Manifest
from rollwright.cluster.errors import ConflictError, MissingError, RefusedError
from rollwright.cluster.record import Fence, Record
from rollwright.cluster.templates import controller_revision, images_of, kept_name, render, template_of
from rollwright.rollout.spec import Change, Model

DEFAULT_LIMIT = 10
_FOUND = "found on the target"
_REPLACED = "replaced by "
"""How the outcome begins of a template that another one took the place of while its rollout was open."""


class Rejection(Model):
    """That a template is refused."""

    actor: str
    reason: str
    at: str
    """ISO 8601, UTC."""


@dataclass(frozen=True)
class KeptTemplate:
    """One entry of the ledger, as read."""

    item: Manifest

    @property
    def name(self) -> str:
        """Of the object that keeps it."""
        name: str = self.item["metadata"]["name"]
        return name

    @property
    def number(self) -> int:
        """What people call it by; the template asked for last has the highest."""
        number: int = self.item["revision"]
        return number

    @property
    def template(self) -> Manifest:
        """What it keeps."""
        template: Manifest = self.item.get("data") or {}
        return template

    @property
    def images(self) -> tuple[str, ...]:
        """What runs, as CONTAINER=IMAGE."""
        return images_of(self.template)

    @property
    def kept_at(self) -> str:
        """When it was last asked for, or found on the target; ISO 8601, UTC."""
        return self._note(names.KEPT_AT)

    @property
    def actor(self) -> str:
        """Who asked for it; empty if it was found on the target."""
        return self._note(names.ACTOR)

    @property
    def reason(self) -> str:
        """Why it was asked for."""
        return self._note(names.REASON)

    @property
    def outcome(self) -> str:
        """How its last rollout ended; empty while that lasts."""
        return self._note(names.OUTCOME)

    @property
    def rejection(self) -> Rejection | None:
        """That it is refused, if it is; also if it can't be read by whom."""
        text = self._note(names.REJECTED)
        try:
            return Rejection.model_validate_json(text) if text else None
        except ValidationError:
            return Rejection(actor="somebody", reason=text, at="at some time")

    @property
    def is_given_up(self) -> bool:
        """Whether people have turned away from it: rejected it, or set its rollout another target on the way."""
        return self.rejection is not None or self.outcome.startswith(_REPLACED)

    def is_as_new_as(self, fence: Fence) -> bool:
        """Whether this step, or a newer one, has written to it."""
        found = Fence.of(self.item)
        return found is not None and found.scheduled >= fence.scheduled

    def _note(self, name: str) -> str:
        text: str = self.item["metadata"].get("annotations", {}).get(name, "")
        return text


class Keeping(NamedTuple):
    """Names of kept templates."""

    template: str
    """What the change makes of the target."""
    before: str
    """The one to go back to: what every group ran before anything was begun on the target."""
    standing: str
    """The one the target has now."""


class Ledger:
    """The kept templates of one target. Every method raises a ClusterError for what goes wrong."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name

    def __str__(self) -> str:
        return f"lws/{self._name} in namespace {self._namespace}"

    async def entries(self, lws: Manifest) -> list[KeptTemplate]:
        """What is kept for this very object, by number."""
        selector = f"{names.TARGET_UID}={lws['metadata']['uid']}"
        listing = await self._api.list_all(CONTROLLER_REVISIONS, self._namespace, selector)
        return sorted(map(KeptTemplate, listing["items"]), key=lambda kept: (kept.number, kept.name))

    async def template(self, name: str) -> Manifest:
        """Return the content of a kept template."""
        try:
            return KeptTemplate(await self._api.get(CONTROLLER_REVISIONS, self._namespace, name)).template
        except MissingError as error:
            raise RefusedError(f"{self}: the kept template {name} is gone; abort, and start a rollout anew") from error

    async def preview(self, lws: Manifest, change: Change, restarted_at: str) -> Manifest:
        """The template as the change would leave it: asked of the API server by a dry run.

        Raises RefusedError if that template, or the kept one that is asked for by name, was rejected.
        """
        entries = await self.entries(lws)
        if change.revision:
            chosen = self._find(entries, change.revision)
            self._check(chosen)
            wanted = chosen.template
        else:
            wanted = render(change, lws, restarted_at)
        changes = patches.template(wanted, lws)
        answer = await self._api.patch(LEADER_WORKER_SETS, self._namespace, self._name, changes, dry_run=True)
        after = template_of(answer)
        self._check_content(lws, after, entries)
        return after

    async def check_standing(self, lws: Manifest) -> None:
        """Raise RefusedError if the template that an object has was rejected."""
        self._check_content(lws, template_of(lws), await self.entries(lws))

    async def keep(
        self, lws: Manifest, change: Change, restarted_at: str, fence: Fence, *, actor: str, reason: str
    ) -> Keeping:
        """Keep the template after the change as the newest, and the one that stands as the newest before it."""
        after = await self.preview(lws, change, restarted_at)
        name, standing = kept_name(lws, after), kept_name(lws, template_of(lws))
        if standing != name:
            await self.keep_standing(lws, fence)
        await self._put(lws, after, fence, {names.ACTOR: actor, names.REASON: reason})
        await self._prune(lws, {name, standing})
        record = Record.of(lws)
        return Keeping(template=name, before=(record.template if record else "") or standing, standing=standing)

    async def keep_standing(self, lws: Manifest, fence: Fence) -> str:
        """Keep the template that an object has as the newest; return its name. Who asked for it stays, if known."""
        return await self._put(lws, template_of(lws), fence, None)

    async def record_outcome(self, name: str, outcome: str, fence: Fence) -> None:
        """Write down how the rollout of a template ended, unless it is gone or was asked for anew since."""
        try:
            kept = KeptTemplate(await self._api.get(CONTROLLER_REVISIONS, self._namespace, name))
            if not kept.is_as_new_as(fence):
                await self._write(kept, fence, patches.annotate({names.OUTCOME: outcome}))
        except MissingError:
            return  # deleted with the target, or by somebody

    async def reject(self, kept: KeptTemplate, rejection: Rejection | None) -> None:
        """Have a template refused from now on; None to allow it again."""
        if rejection:
            changes = patches.annotate({names.REJECTED: rejection.model_dump_json()})
        else:
            changes = patches.erase(names.REJECTED) if kept.rejection else []
        uid = {"op": "test", "path": "/metadata/uid", "value": kept.item["metadata"]["uid"]}
        await self._api.patch(CONTROLLER_REVISIONS, self._namespace, kept.name, [uid, *changes])

    def _find(self, entries: list[KeptTemplate], name: str) -> KeptTemplate:
        for kept in entries:
            if kept.name == name:
                return kept
        raise RefusedError(
            f"{self}: no template is kept for it under the name {name}; "
            f"`rollwright history lws/{self._name} -n {self._namespace}` shows those that are"
        )

    def _check_content(self, lws: Manifest, template: Manifest, entries: list[KeptTemplate]) -> None:
        name = kept_name(lws, template)
        for kept in entries:
            if kept.name == name:
                self._check(kept)

    def _check(self, kept: KeptTemplate) -> None:
        """Raise RefusedError if it was rejected."""
        if rejection := kept.rejection:
            by = " ".join(f"{rejection.actor} has rejected ({rejection.at}): {rejection.reason}".split())
            raise RefusedError(
                f"{self}: this template is revision {kept.number}, which {by}. To allow it again: "
                f"rollwright reject lws/{self._name} {kept.number} -n {self._namespace} --undo"
            )

    async def _put(self, lws: Manifest, template: Manifest, fence: Fence, asked: Mapping[str, str] | None) -> str:
        """Keep a template as the newest, unless this step or a newer one has done so. `asked`: by whom and why."""
        name = kept_name(lws, template)
        entries = await self.entries(lws)
        newest = max((kept.number for kept in entries), default=0)
        found = next((kept for kept in entries if kept.name == name), None)
        kept_at = {names.KEPT_AT: fence.scheduled.astimezone(UTC).isoformat(timespec="seconds")}
        if found is None:
            notes = {names.FENCE: str(fence), **kept_at, **(asked or {names.REASON: _FOUND})}
            item = controller_revision(lws, template, newest + 1, notes)
            await self._api.create(CONTROLLER_REVISIONS, self._namespace, item)
        elif found.template != template:
            raise RefusedError(f"{self}: {name} keeps another template of the same digest; delete it, or change ours")
        elif found.is_as_new_as(fence):
            return name
        else:
            changes = [] if found.number == newest else [_renumber(newest + 1)]
            if asked:
                changes += patches.annotate({**kept_at, **asked})
                changes += patches.erase(names.OUTCOME) if found.outcome else []
            await self._write(found, fence, changes)
        await self._part_from_rivals(lws, name)
        return name

    async def _part_from_rivals(self, lws: Manifest, name: str) -> None:
        """Two templates kept at the same moment may have the same number. Whoever sees that moves on.

        The later of two writers sees it in any case; if both do, each moves to a place of its own.
        """
        while True:
            entries = await self.entries(lws)
            number = self._find(entries, name).number
            rivals = [kept.name for kept in entries if kept.number == number]
            if len(rivals) == 1:
                return
            further = entries[-1].number + 1 + rivals.index(name)
            changes = [{"op": "test", "path": "/revision", "value": number}, _renumber(further)]
            try:
                await self._api.patch(CONTROLLER_REVISIONS, self._namespace, name, changes)
            except RefusedError as error:  # a failed test looks like bad input
                raise ConflictError(f"{self}: {name} was renumbered at this very moment") from error

    async def _prune(self, lws: Manifest, needed: set[str]) -> None:
        """Delete what is older than the last ones, but nothing that is needed, rejected, or named by the record."""
        annotations = lws["metadata"].get("annotations", {})
        counted = [kept for kept in await self.entries(lws) if not kept.rejection]
        for kept in counted[: -_limit(annotations)]:
            if kept.name not in needed and kept.name not in annotations.get(names.RECORD, ""):
                await self._delete(kept)

    async def _delete(self, kept: KeptTemplate) -> None:
        metadata = kept.item["metadata"]
        as_read = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        try:
            await self._api.delete(CONTROLLER_REVISIONS, self._namespace, kept.name, as_read)
        except (ConflictError, MissingError):
            return  # it is wanted again, was rejected, or has gone

    async def _write(self, kept: KeptTemplate, fence: Fence, changes: list[Manifest]) -> None:
        """Change an entry under the fence. Raises ConflictError if another step has written to it meanwhile."""
        try:
            patch = patches.guarded(kept.item, fence, changes)
            await self._api.patch(CONTROLLER_REVISIONS, self._namespace, kept.name, patch)
        except RefusedError as error:  # a failed test looks like bad input
            now = await self._api.get(CONTROLLER_REVISIONS, self._namespace, kept.name)
            if Fence.of(now) == Fence.of(kept.item):
                raise
            raise ConflictError(f"{self}: {kept.name} was kept anew by another step at this very moment") from error
        except MissingError as error:
            raise ConflictError(f"{self}: {kept.name} was deleted at this very moment") from error


def _renumber(number: int) -> Manifest:
    return {"op": "replace", "path": "/revision", "value": number}


def _limit(annotations: Mapping[str, str]) -> int:
    """How many templates are kept."""
    text = annotations.get(names.HISTORY_LIMIT, str(DEFAULT_LIMIT))
    if not text.isdecimal() or int(text) < 1:
        raise RefusedError(f"the annotation {names.HISTORY_LIMIT} is {text!r}; write a whole number from 1 on")
    return int(text)
