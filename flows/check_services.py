"""Checks of the services: that they answer to us, in the versions Driftloop was tested with, on the same clock."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

from flows.deployments import require_server
from flows.site import Site
from records.address import public, without_secrets
from records.check import Check
from records.errors import NotAllowed, ServiceDown
from store.revision import REVISION, present_revision

LABEL_STUDIO = "1.23.2"
"""The Label Studio that Driftloop was tested with."""

MOST_SECONDS_APART = 30.0
_SECONDS = 15.0


def ledger(site: Site, repair: bool) -> Iterator[Check]:
    """Look whether the ledger can be reached and its tables are up to date."""
    url = site.settings.located(site.settings.services.ledger)
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        yield Check("ledger", False, "there is none yet", "run `driftloop adopt TRAINING_DATA`")
        return
    present = present_revision(url)
    if present == REVISION:
        yield Check("ledger", True, f"{site.ledger!r}, tables of version {REVISION}")
    elif repair:
        yield Check(
            "ledger", True, f"{site.ledger!r}, tables of version {REVISION}", repaired=f"upgraded from {present}"
        )
    else:
        found = f"its tables have version {present}, and this Driftloop wants {REVISION}"
        yield Check("ledger", False, found, "back it up; --repair, or the next command, upgrades them")


def table(site: Site, _: bool) -> Iterator[Check]:
    """Look whether the production table can be read and has the columns of the model."""
    n_columns = len(site.schema.features) + 2
    yield Check("table", site.table is not None, f"{site.table!r} has the {n_columns} columns the model needs")


def prefect(_: Site, __: bool) -> Iterator[Check]:
    """Look whether the Prefect server is the one that the flows were written for."""
    url = require_server()
    try:
        with get_client(sync_client=True) as client:
            answer = client.request("GET", "/admin/version")
    except PrefectHTTPStatusError as error:
        if error.response.status_code not in (401, 403):
            why = without_secrets(str(error))
            raise ServiceDown(f"Prefect's server at {public(url)!r} failed ({why}); see its log") from None
        raise NotAllowed(f"Prefect's server at {public(url)!r} refused us; correct PREFECT_API_AUTH_STRING") from None
    yield from _compared("Prefect", url, _told(answer), answer.headers.get("date"), version("prefect"))


def mlflow(site: Site, _: bool) -> Iterator[Check]:
    """Look whether MLflow answers, and about our model."""
    named, server = site.registry.champion(site.model), site.registry.server()
    if server is None:
        yield Check("MLflow", True, f"a store without a server; champion is version {named or 'not named yet'}")
    else:
        yield from _compared("MLflow", site.settings.services.mlflow, server.version, server.date, version("mlflow"))


def label_studio(site: Site, _: bool) -> Iterator[Check]:
    """Look whether Label Studio answers, and accepts the token."""
    site.studio.check()
    place = site.settings.services.label_studio
    try:
        answer = httpx.get(f"{place}/api/version/", timeout=_SECONDS).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = getattr(getattr(error, "response", None), "status_code", type(error).__name__)
        raise ServiceDown(f"Label Studio at {public(place)!r} does not tell its version ({why}); see its log") from None
    found = _told(answer, key="release")
    yield from _compared("Label Studio", place, found, answer.headers.get("date"), LABEL_STUDIO)


def _told(answer: httpx.Response, *, key: str | None = None) -> str:
    """The version in a server's answer, which is a text, or JSON with it under a key."""
    said = answer.json() if "json" in answer.headers.get("content-type", "") else answer.text.strip()
    return str(said.get(key) if key and isinstance(said, dict) else said)


def _compared(name: str, place: str, found: str, date: str | None, wanted: str) -> Iterator[Check]:
    """Compare a server's version and its clock with ours."""
    advice = f"run {name} {wanted}: Driftloop was tested with that" if found != wanted else ""
    yield Check(name, found == wanted, f"version {found} at {public(place)}", advice)
    apart = seconds_apart(date, datetime.now(UTC))
    if abs(apart) > MOST_SECONDS_APART:
        direction = "ahead of" if apart > 0 else "behind"
        yield Check(
            f"{name}'s clock", False, f"{abs(apart):.0f} s {direction} ours", "let both machines keep time by NTP"
        )


def seconds_apart(date: str | None, now: datetime) -> float:
    """By how much the clock that wrote an HTTP date is ahead of `now`; 0 without a date.

    >>> seconds_apart("Sun, 02 Jun 2013 12:00:40 GMT", datetime(2013, 6, 2, 12, tzinfo=UTC))
    40.0
    """
    return (parsedate_to_datetime(date) - now).total_seconds() if date else 0.0
