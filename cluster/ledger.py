"""The template ledger: the templates a target was asked to have, by whom and why, and what came of it.

LWS deletes its old revisions when an update completes: those with its label for the name of the set. The ledger's are
ControllerRevisions of a label of our own, owned by the target: the garbage collector deletes them with it, nobody else.
Their data can't be changed, their numbers and annotations can.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import ValidationError

from rollwright.cluster import names, patches
from rollwright.cluster.api import CONTROLLER_REVISIONS, Api, Manifest
from rollwright.cluster.errors import ConflictError, MissingError, RefusedError
from rollwright.cluster.formats import check_format
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.record import Fence, Record
from rollwright.cluster.templates import controller_revision, digest, digest_of_kept, images_of, kept_name, render
from rollwright.rollout.gpus import gpus_of_group
from rollwright.rollout.models import Model
from rollwright.rollout.spec import Change, Target

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
    kind: type[TargetObject]
    """Of the target."""

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
        return images_of(self.kind.pod_templates(self.template))

    @property
    def gpus(self) -> int:
        """Accelerators that each of its groups asks for."""
        return gpus_of_group(self.kind.pods_of_group(self.template))

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
    def told_at(self) -> datetime:
        """When it was last asked for or found, or its rollout ended: an outcome says at its end when that was."""
        return max(_moment(self.kept_at), _moment(self.outcome.rpartition(" ")[2]))

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

    def __init__(self, api: Api, target: Target, kind: type[TargetObject]) -> None:
        self._api = api
        self._target = target
        self._namespace = target.namespace
        self._kind = kind

    def __str__(self) -> str:
        return str(self._target)

    async def entries(self, item: TargetObject) -> list[KeptTemplate]:
        """What is kept for this very object, by number."""
        selector = f"{names.TARGET_UID}={item.uid}"
        listing = await self._api.list_all(CONTROLLER_REVISIONS, self._namespace, selector)
        return sorted(map(self._kept, listing["items"]), key=lambda kept: (kept.number, kept.name))

    async def last_outcome(self, item: TargetObject) -> str | None:
        """How the rollout of the template that an object has ended; None if another was asked for, or ended, since.

        Empty if it was asked for last, and nothing is known of an end.

        By the moments, not by the numbers: a freeze makes what stands the newest without anybody having asked for it.
        """
        entries, name = await self.entries(item), kept_name(item, item.template)
        latest = max(entries, key=lambda kept: (kept.told_at, kept.name == name), default=None)
        return latest.outcome if latest and latest.name == name else None

    async def template(self, name: str) -> Manifest:
        """Return the content of a kept template."""
        try:
            kept = await self._read(name)
        except MissingError as error:
            raise RefusedError(f"{self}: the kept template {name} is gone; abort, and start a rollout anew") from error
        return self._content(kept)

    async def preview(self, item: TargetObject, change: Change, restarted_at: str) -> Manifest:
        """The template as the change would leave it: asked of the API server by a dry run.

        Raises RefusedError if that template, or the kept one that is asked for by name, was rejected.
        """
        entries = await self.entries(item)
        if change.revision:
            chosen = self._find(entries, change.revision)
            self._check(chosen)
            wanted = self._content(chosen)
        else:
            wanted = render(change, item, restarted_at)
        after = await self._tried(item, wanted)
        self._check_content(item, after, entries)
        return after

    async def _tried(self, item: TargetObject, wanted: Manifest) -> Manifest:
        changes = patches.template(wanted, item)
        answer = await self._api.patch(item.RESOURCE, self._namespace, item.name, changes, dry_run=True)
        return replace(item, manifest=answer).template

    async def check_standing(self, item: TargetObject) -> None:
        """Raise RefusedError if the template that an object has was rejected."""
        self._check_content(item, item.template, await self.entries(item))

    async def keep(
        self,
        item: TargetObject,
        change: Change,
        restarted_at: str,
        fence: Fence,
        *,
        actor: str,
        reason: str,
        running: Manifest | None = None,
    ) -> Keeping:
        """Keep the template after the change as the newest, and the one that stands as the newest before it.

        `running`: the template that all groups run, where that is another than the one that stands.
        """
        after = await self.preview(item, change, restarted_at)
        name, standing = kept_name(item, after), kept_name(item, item.template)
        record = Record.of(item)
        found = await self._keep_running(item, running, fence, name) if running and not record else ""
        if standing != name:
            await self.keep_standing(item, fence)
        await self._put(item, after, fence, {names.ACTOR: actor, names.REASON: reason})
        await self._prune(item, {name, standing, found})
        return Keeping(template=name, before=(record.template if record else found) or standing, standing=standing)

    async def _keep_running(self, item: TargetObject, running: Manifest, fence: Fence, asked: str) -> str:
        """Keep the template that all groups run; its name, empty if it wouldn't be taken any more.

        The one that is `asked` for is kept with who asks for it, and a step keeps each template but once.
        """
        try:
            template = await self._tried(item, running)
        except RefusedError:
            return ""
        name = kept_name(item, template)
        return name if name == asked else await self._put(item, template, fence, None)

    async def keep_standing(self, item: TargetObject, fence: Fence) -> str:
        """Keep the template that an object has as the newest; return its name. Who asked for it stays, if known."""
        return await self._put(item, item.template, fence, None)

    async def record_outcome(self, name: str, outcome: str, fence: Fence, *, start_ups: str = "") -> None:
        """Write down how the rollout of a template ended, unless it is gone or was asked for anew since.

        `start_ups`: how long its groups took to start, if that is known.
        """
        notes = {names.OUTCOME: outcome, **({names.START_UPS: start_ups} if start_ups else {})}
        try:
            kept = await self._read(name)
            if not kept.is_as_new_as(fence):
                await self._write(kept, fence, patches.annotate(notes))
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

    async def _read(self, name: str) -> KeptTemplate:
        return self._kept(await self._api.get(CONTROLLER_REVISIONS, self._namespace, name))

    def _kept(self, item: Manifest) -> KeptTemplate:
        check_format(item, f"the template {item['metadata']['name']}, kept for {self._target},")
        return KeptTemplate(item, self._kind)

    def _find(self, entries: list[KeptTemplate], name: str) -> KeptTemplate:
        for kept in entries:
            if kept.name == name:
                return kept
        raise RefusedError(
            f"{self}: no template is kept for it under the name {name}; "
            f"`rollwright history {self._target.word} -n {self._namespace}` shows those that are"
        )

    def _content(self, kept: KeptTemplate) -> Manifest:
        """What a template keeps, which is what was asked for, and approved, under its name. Raises RefusedError.

        Kubernetes lets nobody change it; but whoever may delete it may make another one of the same name.
        """
        if digest(kept.template) != digest_of_kept(kept.name):
            raise RefusedError(
                f"{self}: the kept template {kept.name} is not the one that was kept under this name: somebody has "
                "made it anew; find out who, delete it, and start a rollout anew"
            )
        return kept.template

    def _check_content(self, item: TargetObject, template: Manifest, entries: list[KeptTemplate]) -> None:
        name = kept_name(item, template)
        for kept in entries:
            if kept.name == name:
                self._check(kept)

    def _check(self, kept: KeptTemplate) -> None:
        """Raise RefusedError if it was rejected."""
        if rejection := kept.rejection:
            by = " ".join(f"{rejection.actor} has rejected ({rejection.at}): {rejection.reason}".split())
            raise RefusedError(
                f"{self}: this template is revision {kept.number}, which {by}. To allow it again: "
                f"rollwright reject {self._target.word} {kept.number} -n {self._namespace} --undo"
            )

    async def _put(self, item: TargetObject, template: Manifest, fence: Fence, asked: Mapping[str, str] | None) -> str:
        """Keep a template as the newest, unless this step or a newer one has done so. `asked`: by whom and why."""
        name = kept_name(item, template)
        entries = await self.entries(item)
        newest = max((kept.number for kept in entries), default=0)
        found = next((kept for kept in entries if kept.name == name), None)
        kept_at = {names.KEPT_AT: fence.scheduled.astimezone(UTC).isoformat(timespec="seconds")}
        if found is None:
            notes = {names.FENCE: str(fence), **kept_at, **(asked or {names.REASON: _FOUND})}
            new = controller_revision(item, template, newest + 1, notes)
            await self._api.create(CONTROLLER_REVISIONS, self._namespace, new)
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
        await self._part_from_rivals(item, name)
        return name

    async def _part_from_rivals(self, item: TargetObject, name: str) -> None:
        """Two templates kept at the same moment may have the same number. Whoever sees that moves on.

        The later of two writers sees it in any case; if both do, each moves to a place of its own.
        """
        while True:
            entries = await self.entries(item)
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

    async def _prune(self, item: TargetObject, needed: set[str]) -> None:
        """Delete what is older than the last ones, but nothing that is needed, rejected, or named by the record."""
        annotations = item.annotations
        counted = [kept for kept in await self.entries(item) if not kept.rejection]
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


def _moment(text: str) -> datetime:
    """A moment as it is written down; long ago if it can't be read."""
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.min.replace(tzinfo=UTC)


def _renumber(number: int) -> Manifest:
    return {"op": "replace", "path": "/revision", "value": number}


def _limit(annotations: Mapping[str, str]) -> int:
    """How many templates are kept."""
    text = annotations.get(names.HISTORY_LIMIT, str(DEFAULT_LIMIT))
    if not text.isdecimal() or int(text) < 1:
        raise RefusedError(f"the annotation {names.HISTORY_LIMIT} is {text!r}; write a whole number from 1 on")
    return int(text)
