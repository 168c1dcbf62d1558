"""A small server that takes Label Studio's webhooks as hints to look for answers, and believes nothing they say."""

import asyncio
import hmac
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from flows.collect import collect
from flows.events import tell_ready
from flows.fleet import muster
from flows.settings import Settings
from flows.site import Site
from records.errors import BadSettings

SECRET = "DRIFTLOOP_WEBHOOK_SECRET"  # the name of the variable, no secret
HEADER = "X-Driftloop-Secret"
MOST_BYTES = 1_000_000
_FEWEST_CHARACTERS = 16
_log = logging.getLogger(__name__)


def serve(paths: Sequence[Path], *, host: str, port: int, pause_seconds: float) -> None:
    """Listen until stopped, for the models that `paths` name when a call comes.

    Raises `BadSettings` for settings that cannot be used at the start, and without a secret worth the name.
    """
    import uvicorn

    models = reread(paths)
    secret = os.environ.get(SECRET, "")
    if len(secret) < _FEWEST_CHARACTERS:
        raise BadSettings(
            f"{SECRET} in the environment must hold at least {_FEWEST_CHARACTERS} characters that nobody can guess;"
            f" set it here and as the header {HEADER} of the webhook in Label Studio"
        )
    if not (secret.isascii() and secret.isprintable()) or secret != secret.strip():
        raise BadSettings(
            f"{SECRET} in the environment has characters that no header carries unchanged; use ASCII letters, digits"
            " and punctuation, without a space at either end"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    def look(project: int | None) -> None:
        look_at_all((Site(settings) for settings in models()), project)

    app = receiver(secret, look, pause_seconds=pause_seconds)
    uvicorn.run(app, host=host, port=port, access_log=False, log_level="warning", server_header=False)


def reread(paths: Sequence[Path]) -> Callable[[], tuple[Settings, ...]]:
    """Return a way to read the settings anew, which keeps to what it read last while a file cannot be used.

    Raises `BadSettings` for one that cannot be used now.
    """
    known = muster(paths).models

    def read() -> tuple[Settings, ...]:
        nonlocal known
        try:
            known = muster(paths).models
        except (BadSettings, OSError) as error:
            _log.warning("The settings cannot be read again (%s); those that were read before hold.", error)
        return known

    return read


def look_at_all(sites: Iterable[Site], project: int | None) -> None:
    """Look for the answers to every model; one whose look fails is named in the log and keeps no other from its own."""
    for site in sites:
        try:
            look_for_answers(site, project)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next model must be looked at
            _log.warning("Looking for answers of %r failed (%s); the schedule will look again.", site.model, error)


def look_for_answers(site: Site, project: int | None) -> None:
    """Bring home the answers to a model's open requests in a project (None: in any); tell Prefect if all are there."""
    for item in site.ledger.requests.open(site.model):
        if item.project is not None and project in (None, item.project):
            tell_ready(site, item.request, collect(site, item.request))


def receiver(secret: str, look: Callable[[int | None], None], *, pause_seconds: float) -> Starlette:
    """Return the server: a call with the secret makes it `look` at the project, once for all calls within the pause.

    It looks everywhere once at the start, for calls that came while it was away. A look that fails is logged and
    forgotten: the scheduled `learn` looks anyway.
    """
    hints: asyncio.Queue[int | None] = asyncio.Queue(maxsize=10_000)

    async def work() -> None:
        projects: set[int | None] = {None}
        while True:
            for project in [None] if None in projects else sorted(p for p in projects if p is not None):
                try:
                    await run_in_threadpool(look, project)
                except Exception as error:  # noqa: BLE001 - whatever it is, the next call must be heard
                    _log.warning("Looking for answers failed (%s); the schedule will look again.", error)
            projects = {await hints.get()}
            await asyncio.sleep(pause_seconds)
            while not hints.empty():
                projects.add(hints.get_nowait())

    @asynccontextmanager
    async def working(_: Starlette) -> AsyncIterator[None]:
        worker = asyncio.create_task(work())
        yield
        worker.cancel()

    async def hear(request: Request) -> Response:
        given = request.headers.get(HEADER, "").encode("latin-1")  # as it came: Starlette decodes so
        if not hmac.compare_digest(given, secret.encode()):
            return PlainTextResponse("the secret is wrong\n", 401)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return PlainTextResponse("too large\n", 413)
        try:
            project = _project(body)
        except ValueError:
            return PlainTextResponse("no JSON object\n", 400)
        if not hints.full():
            hints.put_nowait(project)
        return PlainTextResponse("heard\n", 202)

    async def health(_: Request) -> Response:
        return PlainTextResponse("listening\n")

    return Starlette(
        routes=[Route("/label-studio", hear, methods=["POST"]), Route("/health", health)], lifespan=working
    )


def _project(body: bytes) -> int | None:
    """The project a webhook is about, None if it does not say; raises `ValueError` for what is no JSON object.

    >>> _project(b'{"action": "ANNOTATION_CREATED", "project": {"id": 7}}')
    7
    >>> _project(b'{"action": "ANNOTATION_CREATED"}') is None
    True
    """
    try:
        content = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("no object")
    project = content.get("project")
    number = project.get("id") if isinstance(project, dict) else project
    return number if isinstance(number, int) and not isinstance(number, bool) and abs(number) < 2**63 else None
