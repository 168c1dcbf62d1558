"""The wire to a Label Studio server: the one module that knows its SDK, its requests and its errors.

Nothing here decides. Each method is one request (or one per page); reading is retried, writing never, because the
server may finish a request whose answer got lost, and has no unique key to notice a repetition.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

import httpx

from records.address import public
from records.errors import BadData, NotAllowed, NotFound, ServiceDown

PAGE = 500
"""Tasks per page, per import and per list of keys; twice as many keys of some length no longer fit an address."""

Filter = dict[str, object]

_ONCE = {"max_retries": 0}  # the SDK repeats POSTs on its own, which makes tasks twice
_AGAIN = {"max_retries": 1}


class MaybeDone(ServiceDown):
    """A request was sent and its answer got lost: the server may or may not have done it."""


class Wire:
    """Requests to one server; `server_time` is its clock at the first answer since it was last set to None."""

    def __init__(self, url: str, token: str, *, timeout_seconds: float, transport: httpx.BaseTransport | None) -> None:
        self.url = url
        self.server_time: datetime | None = None
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._transport = transport

    def __repr__(self) -> str:
        return f"Wire({self.shown!r})"

    def whoami(self) -> None:
        """Ask who we are, which proves that the server is there and accepts the token."""
        with self._translated("asking who we are"):
            self._client.users.whoami(request_options=_ONCE)

    def list_projects(self) -> list[tuple[int, str]]:
        """Return the id and the description of every project."""
        with self._translated("looking for the project"):
            listed = self._client.projects.list(page_size=PAGE, include="id,description", request_options=_AGAIN)
            return [(project.id, project.description or "") for project in _every(listed)]

    def make_project(self, **fields: object) -> None:
        """Make a project."""
        with self._translated(f"making the project {fields['title']!r}"):
            self._client.projects.create(**fields, request_options=_ONCE)

    def list_tabs(self, project: int) -> list[tuple[int, str]]:
        """Return the id and the title of every tab over a project's list of tasks, oldest first."""
        with self._translated("looking for the tabs", project):
            listed = self._client.views.list(project=project, request_options=_AGAIN)
            return sorted((tab.id, str((tab.data or {}).get("title"))) for tab in listed)

    def make_tab(self, project: int, data: Mapping[str, object]) -> None:
        """Make a tab over a project's list of tasks."""
        with self._translated("making a tab", project):
            self._client.views.create(project=project, data=data, request_options=_ONCE)

    def delete_tab(self, project: int, tab: int) -> None:
        """Delete a tab."""
        with self._translated("deleting a tab", project):
            self._client.views.delete(id=str(tab), request_options=_ONCE)

    def look(self, project: int) -> tuple[str, int]:
        """Return the labelling config that a project has now, and how many tasks."""
        with self._translated("looking at the project", project):
            found = self._client.projects.get(id=project, request_options=_AGAIN)
            return str(found.label_config or ""), int(found.task_number or 0)

    def list_tasks(
        self, project: int, filters: Sequence[Filter], *, include: str, page_size: int = PAGE
    ) -> Iterator[Any]:
        """Yield tasks in the order of their ids; each page starts behind the last id seen.

        Pages by number would lose tasks when others are deleted meanwhile, and an order by time when they change.
        """
        last = 0
        while True:
            items = [*filters, where("id", "greater", "Number", last)]
            query = json.dumps({"filters": {"conjunction": "and", "items": items}, "ordering": ["tasks:id"]})
            with self._translated("reading tasks", project):
                listed = self._client.tasks.list(
                    project=project, query=query, page_size=page_size, include=include, request_options=_AGAIN
                )
            page = listed.items
            yield from page
            if not page or listed.response.total <= len(page):
                return
            last = page[-1].id

    def count_tasks(self, project: int, filters: Sequence[Filter]) -> int:
        """Return how many tasks meet the conditions."""
        query = json.dumps({"filters": {"conjunction": "and", "items": list(filters)}})
        with self._translated("counting tasks", project):
            listed = self._client.tasks.list(
                project=project, query=query, page_size=1, include="id", request_options=_AGAIN
            )
        return int(listed.response.total)

    def import_tasks(self, project: int, tasks: Sequence[Mapping[str, object]]) -> list[int]:
        """Import tasks, all or none; return their ids in the same order."""
        with self._translated(f"importing {len(tasks)} tasks", project):
            answer = self._client.projects.import_tasks(
                id=project, request=tasks, return_task_ids=True, request_options=_ONCE
            )
        return list(answer.task_ids or ())

    def delete_tasks(self, project: int, task_ids: Collection[int], *, only: Sequence[Filter]) -> None:
        """Delete those of the tasks that meet the conditions, which the server looks at in the moment it deletes."""
        self._act(project, "delete_tasks", task_ids, only)

    def close_task(self, project: int, task_id: int, data: Mapping[str, object]) -> None:
        """Give a task other data and offer it to nobody any more; whoever has it open can still answer."""
        self._change(project, task_id, data, closed=True)

    def reopen_task(self, project: int, task_id: int, data: Mapping[str, object], *, answered: bool = False) -> None:
        """Give a task other data and offer it to people again, unless it is `answered`."""
        self._change(project, task_id, data, closed=answered)

    def _change(self, project: int, task_id: int, data: Mapping[str, object], *, closed: bool) -> None:
        with self._translated(f"changing task {task_id}", project):
            self._client.tasks.update(str(task_id), data=dict(data), is_labeled=closed, request_options=_ONCE)

    def merge_copies(self, project: int, task_ids: Collection[int]) -> None:
        """Make one task of those with exactly the same data, which keeps the annotations of all."""
        self._act(project, "remove_duplicates", task_ids, ())

    def _act(self, project: int, action: str, task_ids: Collection[int], only: Sequence[Filter]) -> None:
        filters = {"filters": {"conjunction": "and", "items": list(only)}} if only else {}
        selected = {"all": False, "included": list(task_ids)}
        with self._translated(f"running the action {action!r}", project):
            self._client.actions.create(
                project=project, id=action, selected_items=selected, request_options=_ONCE, **filters
            )

    @property
    def shown(self) -> str:
        """The address without what may be secret, for people to read."""
        return public(self.url)

    @cached_property
    def _client(self) -> Any:
        from label_studio_sdk import LabelStudio as Client  # takes seconds to import

        if not self._token or not self._token.isascii() or not self._token.isprintable():
            raise NotAllowed(
                f"the token for Label Studio at {self.shown!r} is empty or has characters no token has; "
                "copy it again from Account & Settings > Access Token"
            )
        http = httpx.Client(
            timeout=self._timeout_seconds,
            follow_redirects=True,
            transport=self._transport,
            event_hooks={"response": [self._note_server_time]},
        )
        # A path in the address survives the SDK's token refresh only before a final slash.
        base_url = self.url if self.url.endswith("/") else self.url + "/"
        return Client(base_url=base_url, api_key=self._token, timeout=self._timeout_seconds, httpx_client=http)

    def _note_server_time(self, response: httpx.Response) -> None:
        if self.server_time is None and "date" in response.headers:
            self.server_time = parsedate_to_datetime(response.headers["date"])

    @contextmanager
    def _translated(self, doing: str, project: int | None = None) -> Iterator[None]:
        """Turn the errors of the SDK and of httpx into ours; none of the texts repeats the token."""
        from label_studio_sdk.core.api_error import ApiError
        from label_studio_sdk.core.parse_error import ParsingError

        place = f"Label Studio at {self.shown!r}"
        try:
            yield
        except httpx.InvalidURL:  # it may quote a part of the password
            raise ServiceDown(f"{place} has no address that can be used; correct it in the settings") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise ServiceDown(
                f"{place} cannot be reached while {doing}; start it, or correct its address in the settings"
            ) from error
        except httpx.HTTPError as error:
            raise MaybeDone(
                f"{place} did not answer while {doing} ({type(error).__name__}); try again when it is up"
            ) from error
        except (ParsingError, json.JSONDecodeError) as error:
            raise MaybeDone(f"{place} did not answer as Label Studio does while {doing}; check the address") from error
        except ApiError as error:
            status = error.status_code
            if status in (401, 403):
                raise NotAllowed(
                    f"{place} refused our token while {doing} (status {status}); "
                    "copy a valid one from Account & Settings > Access Token of a user who may see the project"
                ) from error
            if status == 404 and project is not None:
                raise NotFound(
                    f"{place} has no project {project!r}: it was deleted; restore it, or give its label request up with"
                    " `driftloop withdraw`"
                ) from error
            if status is not None and 400 <= status < 500 and status not in (408, 409, 425, 429):
                raise BadData(f"{place} refused {doing} (status {status}): {_why(error.body)}") from error
            raise MaybeDone(f"{place} failed while {doing} (status {status}); look at its log and try again") from error


def where(column: str, operator: str, kind: str, value: object) -> Filter:
    """Return one condition on tasks in the one form that does not make the server fail.

    >>> where("id", "greater", "Number", 7)
    {'filter': 'filter:tasks:id', 'operator': 'greater', 'type': 'Number', 'value': 7}
    """
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def _every(listed: Any) -> Iterator[Any]:
    """Yield every item of a list by pages; the SDK by itself asks for one page too many, which fails."""
    seen = 0
    while True:
        yield from listed.items
        seen += len(listed.items)
        if not listed.items or seen >= (listed.response.count or 0):
            return
        listed = listed.next_page()


def _why(body: object) -> str:
    reasons = body.get("validation_errors") or body.get("detail") if isinstance(body, Mapping) else body
    return str(reasons)[:300]
