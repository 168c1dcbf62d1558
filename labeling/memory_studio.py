"""Label Studio's in-memory twin: the same promises, and verbs for the people who label."""

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from math import nan

from labeling import answers, control
from labeling.exchange import OVERLAP, Pull, by_row_key, check_title
from records.errors import BadData, DriftloopError, NotFound, ServiceDown
from records.label import Annotation
from records.schema import Schema


@dataclass(frozen=True, slots=True)
class Said:
    """One annotation as it is stored: the raw `result` of one user on one task."""

    annotation_id: int
    task_id: int
    user: int
    result: list[dict[str, object]]
    skipped: bool
    updated_at: datetime


@dataclass(slots=True)
class _Project:
    identity: tuple[str, str, int, bool]
    config: str
    tasks: dict[int, Mapping[str, object]] = field(default_factory=dict)
    touched: dict[int, datetime] = field(default_factory=dict)
    said: dict[int, Said] = field(default_factory=dict)


class InMemoryStudio:
    """A `Studio` without a server, with verbs for what people do there: from `annotate` to `delete_project`.

    `fault` is raised by every call while it is set. `break_after` tasks more are made by `push`, then it fails once.
    """

    def __init__(self, *, fault: DriftloopError | None = None, break_after: int | None = None) -> None:
        self.fault = fault
        self.break_after = break_after
        self._projects: dict[int, _Project] = {}
        self._ids = count(1)
        self._clock = datetime.min.replace(tzinfo=UTC)

    def check(self) -> None:
        """Raise `fault` if it is set."""
        if self.fault is not None:
            raise self.fault

    def open_project(
        self,
        title: str,
        config: str,
        instructions: str,  # noqa: ARG002  they change nothing that can be asked here
        *,
        overlap: int = 1,
        suggestions: bool = False,
        in_doubt: bool = False,  # noqa: ARG002  nothing is ever under way
    ) -> int:
        """Return the project with this title, config, overlap and suggestions, made if there is none."""
        self.check()
        identity = (check_title(title), config, overlap, suggestions)
        for project, known in self._projects.items():
            if known.identity == identity:
                if trouble := control.altered(project, control.present(config), control.present(known.config)):
                    raise BadData(trouble)
                return project
        project = next(self._ids)
        self._projects[project] = _Project(identity, config)
        return project

    def push(
        self,
        project: int,
        tasks: Sequence[Mapping[str, object]],
        *,
        in_doubt: bool = False,  # noqa: ARG002  nothing is ever under way
    ) -> dict[str, int]:
        """Make the tasks that are missing; return the id of each row key."""
        place = self._project(project)
        wanted = by_row_key(tasks)
        ids = {key: task_id for task_id, task in place.tasks.items() for key in by_row_key([task])}
        for key, task in wanted.items():
            if key not in ids:
                if self.break_after == 0:
                    self.break_after = None
                    raise ServiceDown(f"the in-memory studio failed before row {key!r}, as it was told to; push again")
                self.break_after = None if self.break_after is None else self.break_after - 1
                ids[key] = next(self._ids)
                place.tasks[ids[key]] = deepcopy(task)
                place.touched[ids[key]] = self._now()
        return {key: ids[key] for key in wanted}

    def pull(
        self,
        project: int,
        schema: Schema,
        since: datetime | None = None,
        *,
        known: Mapping[int, str] | None = None,
    ) -> Pull:
        """Return what changed after `since`, with `OVERLAP`, and which of the `known` tasks are gone."""
        place = self._project(project)
        moment = self._now()
        gone = tuple(key for task_id, key in (known or {}).items() if task_id not in place.tasks)
        altered = control.altered(project, control.needed(schema), control.present(place.config))
        changed = [i for i, touched in sorted(place.touched.items()) if since is None or touched > since - OVERLAP]
        keys = {task_id: next(iter(by_row_key([place.tasks[task_id]]))) for task_id in changed}
        annotations, unreadable = [], []
        for said in place.said.values():
            if said.task_id in keys:
                answer = None if said.skipped else answers.read(said.result, schema)
                if answer is None and not said.skipped:
                    unreadable.append(said.annotation_id)
                    continue
                key, user = keys[said.task_id], f"user {said.user}"
                origin = None if said.skipped else answers.origin(said.result)
                annotations.append(
                    Annotation(said.annotation_id, said.task_id, key, user, answer, said.updated_at, nan, origin)
                )
        return Pull(tuple(keys.items()), tuple(annotations), tuple(unreadable), moment, since, gone, altered)

    def withdraw(
        self,
        project: int,
        row_keys: Collection[str],
        *,
        in_doubt: bool = False,  # noqa: ARG002  nothing is ever under way
    ) -> tuple[str, ...]:
        """Delete the tasks of those rows that nobody has answered."""
        place = self._project(project)
        answered = {said.task_id for said in place.said.values() if not said.skipped}
        asked = {task_id: key for task_id, task in place.tasks.items() for key in by_row_key([task]) if key in row_keys}
        for task_id in set(asked) - answered:
            self._delete(place, task_id)
        left = {asked[task_id] for task_id in answered if task_id in asked}
        return tuple(key for key in dict.fromkeys(row_keys) if key not in left)

    def tasks(self, project: int) -> dict[int, Mapping[str, object]]:
        """Return a copy of the project's tasks by id, as a labeler would see them."""
        return deepcopy(self._project(project).tasks)

    def projects(self) -> tuple[int, ...]:
        """Return the ids of all projects, oldest first."""
        return tuple(self._projects)

    def said(self, project: int) -> tuple[Said, ...]:
        """Return every annotation of a project, oldest first."""
        return tuple(self._project(project).said.values())

    def annotate(self, task_id: int, result: list[dict[str, object]], *, user: int = 1, skipped: bool = False) -> int:
        """Let a user answer or skip a task; return the annotation's id."""
        place = self._holder(task_id)
        said = Said(next(self._ids), task_id, user, result, skipped, self._now())
        place.said[said.annotation_id] = said
        place.touched[task_id] = said.updated_at
        return said.annotation_id

    def edit(self, annotation_id: int, result: list[dict[str, object]]) -> None:
        """Let a user change an answer."""
        place = next(place for place in self._projects.values() if annotation_id in place.said)
        said = replace(place.said[annotation_id], result=result, updated_at=self._now())
        place.said[annotation_id] = said
        place.touched[said.task_id] = said.updated_at

    def retract(self, annotation_id: int) -> None:
        """Let a user delete an answer."""
        place = next(place for place in self._projects.values() if annotation_id in place.said)
        place.touched[place.said.pop(annotation_id).task_id] = self._now()

    def delete_task(self, task_id: int) -> None:
        """Let somebody delete a task by hand, with what was said about it."""
        self._delete(self._holder(task_id), task_id)

    def change_config(self, project: int, config: str) -> None:
        """Let somebody change the labelling config of a project by hand."""
        self._project(project).config = config

    def delete_project(self, project: int) -> None:
        """Let somebody delete a project by hand."""
        del self._projects[project]

    def _delete(self, place: _Project, task_id: int) -> None:
        del place.tasks[task_id], place.touched[task_id]
        place.said = {i: said for i, said in place.said.items() if said.task_id != task_id}

    def _project(self, project: int) -> _Project:
        self.check()
        if project not in self._projects:
            raise NotFound(
                f"the in-memory studio has no project {project!r}: it was deleted; restore it, or give its label"
                " request up with `driftloop withdraw`"
            )
        return self._projects[project]

    def _holder(self, task_id: int) -> _Project:
        return next(place for place in self._projects.values() if task_id in place.tasks)

    def _now(self) -> datetime:
        """Return the present, never the same moment twice."""
        self._clock = max(datetime.now(UTC), self._clock + datetime.resolution)
        return self._clock
