"""What is exchanged with the place where people label: tasks out, annotations home."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from records.errors import BadData
from records.label import Annotation
from records.schema import Schema

OVERLAP = timedelta(minutes=5)
"""How much of the time before `since` a pull reads again, for changes that were under way and clocks that differ."""


@dataclass(frozen=True, slots=True)
class Pull:
    """Every task that changed since a moment, each with *all* its present annotations.

    `tasks` are `(task id, row key)` pairs; for each of them `annotations` holds the whole present set, so what is
    kept of a row is replaced and a deleted annotation disappears. `unreadable` are the ids of annotations that were
    submitted with no usable answer; they are not among `annotations`. `gone` are the row keys of known tasks that
    were deleted. `seen_until`, on the server's clock, is the `since` of the next pull. `altered` says in a sentence
    what somebody changed in the project's labelling config, empty if nothing that matters.
    """

    tasks: tuple[tuple[int, str], ...]
    annotations: tuple[Annotation, ...]
    unreadable: tuple[int, ...]
    seen_until: datetime
    since: datetime | None = None
    gone: tuple[str, ...] = ()
    altered: str = ""

    @property
    def n_changed(self) -> int:
        """How many tasks changed, those read again for overlap included."""
        return len(self.tasks) + len(self.gone)

    @property
    def behind_seconds(self) -> float:
        """How far the last pull had fallen behind when this one looked, on the server's clock; `nan` for the first."""
        return math.nan if self.since is None else max((self.seen_until - self.since).total_seconds(), 0.0)

    @property
    def n_unreadable(self) -> int:
        """How many annotations had no usable answer."""
        return len(self.unreadable)


class Studio(Protocol):
    """Where people label. Every method raises `ServiceDown` or `NotAllowed`; where a project is named, `NotFound`."""

    def check(self) -> None:
        """Raise unless the service can be reached and accepts us."""

    def open_project(
        self,
        title: str,
        config: str,
        instructions: str,
        *,
        overlap: int = 1,
        suggestions: bool = False,
        in_doubt: bool = False,
    ) -> int:
        """Return the id of the one project with this title, config, overlap and suggestions; make it if there is none.

        `overlap` people are asked about each row. With `suggestions`, a task's prediction is filled in on the page.
        What a project asks never changes: another config is another project. `in_doubt` says that an earlier call died
        and may still be under way at the server. Raises `BadData` if the title does not have 3 to 50 characters, the
        config is refused, or somebody has changed it by hand so that it cannot be answered any more.
        """

    def push(self, project: int, tasks: Sequence[Mapping[str, object]], *, in_doubt: bool = False) -> dict[str, int]:
        """Make the tasks that the project does not have yet, by row key; return the task id of each row key.

        Pushing again, or after a failure half-way, makes no task twice; after a caller that died, whose import may
        still be under way at the server, say `in_doubt`. The row key is a task's identity; its id may change if the
        server made it twice and the copies had to be merged.
        Raises `BadData` if a row key occurs twice in `tasks`.
        """

    def pull(
        self,
        project: int,
        schema: Schema,
        since: datetime | None = None,
        *,
        known: Mapping[int, str] | None = None,
    ) -> Pull:
        """Return what changed after `since` (everything if None), reading `OVERLAP` of it again.

        With the `known` tasks of the project (task id → row key), the pull also tells which of them are gone, merges
        copies of them, and returns those whose id is another now.
        """

    def withdraw(self, project: int, row_keys: Collection[str], *, in_doubt: bool = False) -> tuple[str, ...]:
        """Ask nobody about those rows any more unless they are answered; return the row keys that are not.

        A pull takes such a task for gone, until somebody who had it open answers it after all.
        A skip is no answer. `in_doubt` says that a push died and may still be under way at the server.
        """


def by_row_key(tasks: Sequence[Mapping[str, object]]) -> dict[str, Mapping[str, object]]:
    """Return tasks by the row key in their data.

    Raises `BadData` if a key occurs twice.

    >>> by_row_key([{"data": {"row_key": "r1"}}])
    {'r1': {'data': {'row_key': 'r1'}}}
    """
    keyed: dict[str, Mapping[str, object]] = {}
    for task in tasks:
        data = task["data"]
        assert isinstance(data, Mapping)
        if data["row_key"] in keyed:
            raise BadData(f"row key {data['row_key']!r} occurs twice among the tasks to push; ask about each row once")
        keyed[str(data["row_key"])] = task
    return keyed


def check_title(title: str) -> str:
    """Return `title` if Label Studio accepts it; raise `BadData` unless it has 3 to 50 characters.

    >>> check_title("flights: late?")
    'flights: late?'
    """
    if not 3 <= len(title) <= 50:
        raise BadData(f"the project title {title!r} has {len(title)} characters; give it 3 to 50")
    return title
