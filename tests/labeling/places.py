"""The two places where tests let people label: the in-memory twin, and a real server with a lossy network."""

import itertools
import threading
import time
from typing import Any, Protocol

import httpx

from deploy import bots
from labeling.answers import write
from labeling.memory_studio import InMemoryStudio
from labeling.studio import LabelStudio, Studio
from records.errors import NotAllowed, ServiceDown
from records.schema import Schema

Result = list[dict[str, object]]


class Place(Protocol):
    """A studio, people who label there, and ways in which it can fail."""

    @property
    def studio(self) -> Studio: ...

    def breaking(self, after: int) -> Studio:
        """Return a door to the same place whose push fails once `after` tasks are made."""

    def faulty(self) -> dict[type[Exception], Studio]:
        """Return doors that are refused, or lead nowhere, by the error they should raise."""

    def annotate(self, task_id: int, result: Result, *, person: int = 0, skipped: bool = False) -> int: ...

    def edit(self, annotation_id: int, result: Result) -> None: ...

    def retract(self, annotation_id: int) -> None: ...

    def delete_task(self, task_id: int) -> None: ...

    def change_config(self, project: int, config: str) -> None: ...

    def delete_project(self, project: int) -> None: ...


def said(answer: str, schema: Schema) -> Result:
    return write(answer, schema)


class MemoryPlace:
    def __init__(self) -> None:
        self.studio: InMemoryStudio = InMemoryStudio()

    def breaking(self, after: int) -> Studio:
        self.studio.break_after = after
        return self.studio

    def faulty(self) -> dict[type[Exception], Studio]:
        return {
            NotAllowed: InMemoryStudio(fault=NotAllowed("the studio refuses us, as told; give it another token")),
            ServiceDown: InMemoryStudio(fault=ServiceDown("the studio is away, as told; start it")),
        }

    def annotate(self, task_id: int, result: Result, *, person: int = 0, skipped: bool = False) -> int:
        return self.studio.annotate(task_id, result, user=person, skipped=skipped)

    def edit(self, annotation_id: int, result: Result) -> None:
        self.studio.edit(annotation_id, result)

    def retract(self, annotation_id: int) -> None:
        self.studio.retract(annotation_id)

    def delete_task(self, task_id: int) -> None:
        self.studio.delete_task(task_id)

    def change_config(self, project: int, config: str) -> None:
        self.studio.change_config(project, config)

    def delete_project(self, project: int) -> None:
        self.studio.delete_project(project)


class Network(httpx.BaseTransport):
    """Carries requests to a real server, but treats the next POSTs whose path ends in `path` as told.

    "done": carry it and lose the answer; "gateway": carry it and answer 502; "late": lose the answer and carry it
    half a second later; "held": lose the answer and carry it when `release` is called; "lost": do not carry it.
    """

    def __init__(self, *fates: str, path: str = "/import") -> None:
        self._fates = list(fates)
        self._path = path
        self._wire = httpx.HTTPTransport()
        self._held: list[httpx.Request] = []
        self.n_posts = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST" or not request.url.path.endswith(self._path):
            return self._wire.handle_request(request)
        self.n_posts += 1
        fate = self._fates.pop(0) if self._fates else "carried"
        request.read()
        if fate == "late":
            threading.Thread(target=self._carry_late, args=(request,)).start()
            raise httpx.ReadTimeout("the answer was lost", request=request)
        if fate == "held":
            self._held.append(request)
            raise httpx.ReadTimeout("the answer was lost", request=request)
        if fate == "lost":
            raise httpx.RemoteProtocolError("the request was lost", request=request)
        answer = self._wire.handle_request(request)
        answer.read()
        if fate == "done":
            raise httpx.ReadTimeout("the answer was lost", request=request)
        return httpx.Response(502, text="<html>Bad Gateway</html>", request=request) if fate == "gateway" else answer

    def release(self) -> None:
        """Carry what was held; the server answers nobody."""
        while self._held:
            httpx.HTTPTransport().handle_request(self._held.pop()).read()

    def _carry_late(self, request: httpx.Request) -> None:
        time.sleep(0.5)
        httpx.HTTPTransport().handle_request(request).read()


class RealPlace:
    """A real server; person 0 is its administrator, the others sign up when they are first needed."""

    _names = itertools.count()

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self.studio: LabelStudio = self.door()
        self.api = httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=60, trust_env=False)
        self.people: dict[int, bots.Bot] = {}

    def door(self, *fates: str, path: str = "/import") -> LabelStudio:
        return LabelStudio(self.url, self.token, settle_seconds=1.5, transport=Network(*fates, path=path))

    def breaking(self, after: int) -> Studio:
        return self.door(*["done" if after else "lost"], *["lost"] * 3)

    def faulty(self) -> dict[type[Exception], Studio]:
        return {NotAllowed: LabelStudio(self.url, "0" * 40), ServiceDown: LabelStudio("http://127.0.0.1:9", self.token)}

    def annotate(self, task_id: int, result: Result, *, person: int = 0, skipped: bool = False) -> int:
        body = {"result": result, "was_cancelled": skipped, "lead_time": 2.5}
        headers = {"Authorization": self._access(person)} if person else {}
        return int(self.asked("POST", f"/api/tasks/{task_id}/annotations/", json=body, headers=headers)["id"])

    def edit(self, annotation_id: int, result: Result) -> None:
        self.asked("PATCH", f"/api/annotations/{annotation_id}/", json={"result": result})

    def retract(self, annotation_id: int) -> None:
        self.api.delete(f"/api/annotations/{annotation_id}/").raise_for_status()

    def delete_task(self, task_id: int) -> None:
        self.api.delete(f"/api/tasks/{task_id}/").raise_for_status()

    def change_config(self, project: int, config: str) -> None:
        self.asked("PATCH", f"/api/projects/{project}/", json={"label_config": config})

    def delete_project(self, project: int) -> None:
        self.api.delete(f"/api/projects/{project}/").raise_for_status()

    def copy(self, project: int, tasks: list[dict[str, Any]]) -> list[int]:
        """Import tasks past the door, as a request that ends late does; return their ids."""
        return list(self.asked("POST", f"/api/projects/{project}/import?return_task_ids=true", json=tasks)["task_ids"])

    def asked(self, method: str, path: str, **arguments: Any) -> Any:
        return self.api.request(method, path, **arguments).raise_for_status().json()

    def person(self, number: int) -> bots.Bot:
        if number not in self.people:
            name = f"person{next(self._names)}"
            self.people[number] = bots.hire(self.url, self.token, names=[name])[0]
        return self.people[number]

    def _access(self, person: int) -> str:
        refresh = {"refresh": self.person(person).token}
        return f"Bearer {self.asked('POST', '/api/token/refresh/', json=refresh)['access']}"
