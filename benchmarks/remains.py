"""What a phase left behind on the ledger, in MLflow, in Label Studio and on disk, in a form that two runs share."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.kept import on_disk, on_ledger
from benchmarks.logged import in_mlflow
from benchmarks.victim import Place


@dataclass(frozen=True, slots=True)
class Remains:
    """Facts by what they are about, each with how often it is there; `n_champions` must be 1 and agree everywhere."""

    facts: Counter[str]
    n_champions: int


def remains(place: Place) -> Remains:
    """Look at everything a phase may have touched."""
    site = place.site()
    ledger, model = site.ledger, site.model
    logged, alias = in_mlflow(site.settings.located(site.settings.services.mlflow), model)
    facts = on_ledger(ledger) + on_disk(place) + logged
    champions = [one for one in ledger.generations.all(model) if one.status == "champion"]
    if any(item.project is not None for item in ledger.requests.open(model)):
        facts += _on_studio(place)
    agreed = [one.version for one in champions] == [alias]
    return Remains(facts, len(champions) if agreed or len(champions) > 1 else 0)


def _on_studio(place: Place) -> Counter[str]:
    facts: Counter[str] = Counter()
    with client(place) as api:
        for project in projects(api):
            facts["project in Label Studio"] += 1
            query = f"project={project}&fields=all&page_size=10000"
            listed = api.get(f"/api/tasks/?{query}").raise_for_status().json()
            facts.update(f"task of row {task['data']['row_key']}" for task in listed["tasks"])
            tabs = api.get("/api/dm/views/", params={"project": project}).raise_for_status().json()
            facts.update(f"tab {tab['data'].get('title')}" for tab in tabs)
    return facts


def client(place: Place) -> httpx.Client:
    """Return a client of Label Studio that goes straight to the server."""
    return httpx.Client(base_url=place.url, headers={"Authorization": f"Token {place.token}"}, timeout=120)


def projects(api: httpx.Client) -> list[int]:
    """Return every project there is."""
    listed: list[dict[str, Any]] = (
        api.get("/api/projects/", params={"page_size": 1000}).raise_for_status().json()["results"]
    )
    return [one["id"] for one in listed]
