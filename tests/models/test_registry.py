"""The promises of a registry, asked of the twin in memory, of MLflow's store, and of a real MLflow server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from models.candidates import CandidateRun
from models.entry import Draft, Entry, Note, Registry, Rows
from models.memory_registry import InMemoryRegistry
from models.registry import MlflowRegistry
from records.errors import Altered, Conflict, NotFound
from records.generation import Generation
from tests.models.conftest import FLIGHTS, flights
from tests.models.examples import generation_of

MakeDraft = Callable[..., Draft]
ROWS = flights(20, seed=20)[list(FLIGHTS.features)]
_names = count(1)


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from deploy import services

    service = services.mlflow_server(tmp_path_factory.mktemp("mlflow-server"), port=services.free_ports(1)[0])
    running = services.start(service, timeout_seconds=240)
    yield running.url
    services.stop(running)


@pytest.fixture(params=["memory", *(pytest.param(kind, marks=pytest.mark.services) for kind in ("store", "server"))])
def registry(request: pytest.FixtureRequest) -> Registry:
    if request.param == "memory":
        return InMemoryRegistry()
    if request.param == "store":
        return MlflowRegistry(request.getfixturevalue("mlflow_store"))
    return MlflowRegistry(request.getfixturevalue("mlflow_url"))


@pytest.fixture
def model() -> str:
    """A name no other test uses, as one store serves them all."""
    return f"flights-{next(_names)}"


def test_a_logged_generation_predicts_the_same_when_loaded(
    registry: Registry, make_draft: MakeDraft, model: str
) -> None:
    draft = make_draft(model, 1)
    entry = registry.log(draft)
    assert entry.run_id
    assert (entry.version, entry.model_uri) == ("1", f"models:/{model}/1")
    loaded = registry.load(generation_of(draft, entry))
    assert np.array_equal(loaded.predict_proba(ROWS), draft.pipeline.predict_proba(ROWS))


def test_every_version_there_is_of_a_model_is_listed(registry: Registry, make_draft: MakeDraft, model: str) -> None:
    assert registry.versions(model) == frozenset()
    kept = registry.log(make_draft(model, 1))
    registry.log(make_draft(model, 2))
    assert registry.versions(model) == {"1", "2"}
    assert registry.versions(f"{model}-other") == frozenset()
    registry.discard(model, up_to=2, known={kept.run_id})
    assert registry.versions(model) == {"1"}


def test_a_server_tells_its_version_and_its_time_and_a_store_has_none(registry: Registry) -> None:
    found = registry.server()
    if isinstance(registry, MlflowRegistry) and "http" in repr(registry):
        assert found is not None
        assert found.version == version("mlflow")
        assert found.date is not None
    else:
        assert found is None


def test_logging_the_same_draft_again_returns_the_first_entry(
    registry: Registry, make_draft: MakeDraft, model: str
) -> None:
    first = registry.log(make_draft(model, 1))
    assert registry.log(make_draft(model, 1)) == first
    assert registry.log(make_draft(model, 2)).version == "2"


@pytest.mark.parametrize("serving", ["accelerated", "stock"])
def test_the_files_of_a_generation_are_those_that_were_logged_or_it_is_not_loaded(
    registry: Registry, make_draft: MakeDraft, model: str, serving: str
) -> None:
    draft = make_draft(model, 1, serving=serving)
    entry = registry.log(draft)
    generation = generation_of(draft, entry)
    assert len(entry.digest) == 64
    assert registry.digest(generation) == entry.digest
    assert registry.log(draft).digest == entry.digest
    tamper(registry, generation)
    assert registry.digest(generation) != entry.digest
    with pytest.raises(Altered, match=f"the files of generation 1 of '{model}', version 1"):
        registry.load(generation)


def tamper(registry: Registry, generation: Generation) -> None:
    """Change the model file as it is kept, by one byte; MLflow lets whoever may write to it."""
    if isinstance(registry, InMemoryRegistry):
        registry.runs[generation.mlflow_run_id].digest = "0" * 64
        return
    assert isinstance(registry, MlflowRegistry)
    client, run_id = registry._client, generation.mlflow_run_id
    experiment = client.get_run(run_id).info.experiment_id
    (logged,) = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    with registry._downloaded(generation.model_uri) as folder:
        (kept,) = folder.glob("model.*")
        kept.write_bytes(kept.read_bytes() + b" ")
        client.log_model_artifacts(logged.model_id, str(folder))


def test_what_a_crash_left_goes_and_what_is_known_or_decided_stays(
    registry: Registry, make_draft: MakeDraft, model: str
) -> None:
    known, promoted, rejected = (registry.log(make_draft(model, 1, digest=digest)) for digest in "abc")
    registry.promote(model, promoted.version, expected=None)
    registry.annotate(rejected.run_id, Note(version_tags={"status": "rejected"}))
    left, same = (registry.log(make_draft(model, 2, digest=digest)) for digest in "de")
    later = registry.log(make_draft(model, 3))
    key = make_draft(model, 2, digest="e").key
    assert registry.discard(model, up_to=2, known={known.run_id}, key=key) == (left.version,)
    assert registry.discard(model, up_to=2, known={known.run_id}, key=key) == ()
    with pytest.raises(NotFound):
        registry.fetch(left.model_uri)
    for entry in (known, promoted, rejected, same, later):
        assert registry.fetch(entry.model_uri).predict(ROWS).shape == (20,)
    assert registry.log(make_draft(model, 2, digest="e")) == same
    assert registry.log(make_draft(model, 2, digest="d")).version == "7"
    assert registry.discard("nobody-knows", up_to=9, known=()) == ()


def test_a_version_that_went_is_not_given_to_another(registry: Registry, make_draft: MakeDraft, model: str) -> None:
    left = registry.log(make_draft(model, 1))
    registry.discard(model, up_to=1, known=())
    with pytest.raises(NotFound):
        registry.fetch(f"models:/{model}@challenger")
    assert registry.log(make_draft(model, 1)).version != left.version


def test_a_new_generation_is_the_challenger_until_it_is_promoted(
    registry: Registry, make_draft: MakeDraft, model: str
) -> None:
    assert registry.champion(model) is None
    entry = registry.log(make_draft(model, 1))
    assert registry.champion(model) is None
    assert registry.fetch(f"models:/{model}@challenger").predict(ROWS).shape == (20,)
    registry.promote(model, entry.version, expected=None)
    assert registry.champion(model) == entry.version
    assert registry.fetch(f"models:/{model}@champion").predict(ROWS).shape == (20,)
    with pytest.raises(NotFound):
        registry.fetch(f"models:/{model}@challenger")


def test_promoting_the_champion_again_changes_nothing(registry: Registry, make_draft: MakeDraft, model: str) -> None:
    entry = registry.log(make_draft(model, 1))
    for _ in range(2):
        registry.promote(model, entry.version, expected=None)
    assert registry.champion(model) == "1"


def test_a_promotion_is_refused_when_another_champion_is_in_charge_than_expected(
    registry: Registry, make_draft: MakeDraft, model: str
) -> None:
    for number in (1, 2, 3):
        registry.log(make_draft(model, number))
    registry.promote(model, "1", expected=None)
    with pytest.raises(Conflict, match=f"version '1' of '{model}' is champion, not '2'"):
        registry.promote(model, "3", expected="2")
    with pytest.raises(Conflict, match="is champion, not None"):
        registry.promote(model, "3", expected=None)
    assert registry.champion(model) == "1"


def test_a_rollback_is_a_promotion_of_the_one_before(registry: Registry, make_draft: MakeDraft, model: str) -> None:
    for number in (1, 2):
        registry.log(make_draft(model, number))
    registry.promote(model, "1", expected=None)
    registry.promote(model, "2", expected="1")
    registry.promote(model, "1", expected="2")
    assert registry.champion(model) == "1"


def test_what_does_not_exist_is_not_found(
    registry: Registry, make_draft: MakeDraft, model: str, note_file: Path
) -> None:
    for missing in (f"models:/{model}/1", f"models:/{model}@champion"):
        with pytest.raises(NotFound, match=model):
            registry.fetch(missing)
    never = generation_of(make_draft(model, 1), Entry("f00", "1", "", ""))
    for look in (registry.load, registry.digest):
        with pytest.raises(NotFound, match=model):
            look(never)
    with pytest.raises(NotFound, match="version '7'"):
        registry.promote(model, "7", expected=None)
    registry.log(make_draft(model, 1))
    with pytest.raises(NotFound, match="version '7'"):
        registry.promote(model, "7", expected=None)
    with pytest.raises(NotFound, match="run 'f00'"):
        registry.annotate("f00", Note(artifacts=(note_file,)))


def test_logging_and_promoting_prints_nothing(
    registry: Registry, make_draft: MakeDraft, model: str, capfd: pytest.CaptureFixture[str]
) -> None:
    registry.promote(model, registry.log(make_draft(model, 1)).version, expected=None)
    assert capfd.readouterr() == ("", "")


def test_a_note_may_be_added_twice(registry: Registry, make_draft: MakeDraft, model: str, note_file: Path) -> None:
    run_id = registry.log(make_draft(model, 1)).run_id
    note = Note(
        {"gain.hour >= 18": 1.5, "unknown": float("nan")},
        {"decision": "keep"},
        (note_file,),
        {"comparison.md": "# Kept"},
        files={"plots/gains.png": b"PNG"},
        version_tags={"status": "rejected"},
        description="Kept.",
        rows=Rows("audit", "beef", flights(5, seed=3), "rows.parquet"),
    )
    registry.annotate(run_id, note)
    once = seen(registry, run_id)
    registry.annotate(run_id, note)
    assert seen(registry, run_id) == once
    assert once.metrics["gain.hour from 18"] == 1.5
    assert "unknown" not in once.metrics
    assert once.tags["decision"] == "keep"
    assert {"drift.html", "comparison.md", "plots/gains.png"} <= once.files
    assert (once.version_tags["status"], once.description) == ("rejected", "Kept.")


def test_every_candidate_is_a_child_run_whose_names_line_up_with_its_generation(
    registry: Registry, make_draft: MakeDraft, model: str
) -> None:
    draft = make_draft(model, 3)
    other = replace(draft.fit, recipe="recent", params=(("cross-validated loss", "0.21000"), ("forgotten", "+0.00100")))
    draft = replace(draft, candidates=(draft.fit, other))
    first = registry.log(draft)
    assert registry.log(draft) == first
    chosen, passed_over = sorted(seen(registry, first.run_id).candidates, key=lambda run: run.tags["chosen"] != "yes")
    assert (chosen.name, chosen.params["recipe"]) == ("gen-003 random_forest, snapshot", "snapshot")
    assert passed_over.name == "gen-003 random_forest, recent"
    assert passed_over.metrics.keys() == {"holdout.brier", "fit seconds", "cv.brier", "forgotten"}
    assert passed_over.metrics["cv.brier"] == 0.21
    assert chosen.metrics["holdout.brier"] == seen(registry, first.run_id).metrics["holdout.brier"]
    assert (passed_over.tags["engine"], passed_over.tags["candidate of"]) == ("accelerated", "gen-003")


def test_the_versions_say_what_became_of_them(registry: Registry, make_draft: MakeDraft, model: str) -> None:
    runs = [registry.log(make_draft(model, number, description=f"The {number}.")).run_id for number in (1, 2)]
    assert [seen(registry, run).version_tags["status"] for run in runs] == ["candidate", "candidate"]
    registry.promote(model, "1", expected=None)
    registry.promote(model, "2", expected="1")
    assert [seen(registry, run).version_tags["status"] for run in runs] == ["retired", "champion"]
    assert [seen(registry, run).description for run in runs] == ["The 1.", "The 2."]


def test_a_reviewers_tag_is_an_approval_unless_it_says_no(
    registry: Registry, make_draft: MakeDraft, model: str
) -> None:
    entry = registry.log(make_draft(model, 1))
    assert registry.approval(model, entry.version) == ""
    registry.annotate(entry.run_id, Note(version_tags={"approved": "no"}))
    assert registry.approval(model, entry.version) == ""
    registry.annotate(entry.run_id, Note(version_tags={"approved": " seen by Ada "}))
    assert registry.approval(model, entry.version) == "seen by Ada"
    with pytest.raises(NotFound):
        registry.approval(model, "99")


@dataclass(frozen=True)
class Seen:
    """What a reviewer finds, wherever a generation is kept."""

    metrics: dict[str, float]
    tags: dict[str, str]
    files: set[str]
    version_tags: dict[str, str]
    description: str
    candidates: tuple[CandidateRun, ...]


def seen(registry: Registry, run_id: str) -> Seen:
    if isinstance(registry, InMemoryRegistry):
        run = registry.runs[run_id]
        return Seen(
            dict(run.metrics), dict(run.tags), set(run.files), dict(run.version_tags), run.description, run.candidates
        )
    assert isinstance(registry, MlflowRegistry)
    client = registry._client
    run = client.get_run(run_id)
    (version,) = client.search_model_versions(f"run_id = '{run_id}'")
    children = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    candidates = [CandidateRun(c.info.run_name, c.data.params, c.data.metrics, c.data.tags) for c in children]
    return Seen(
        run.data.metrics,
        run.data.tags,
        {entry.path for folder in ("", "plots") for entry in client.list_artifacts(run_id, folder)},
        version.tags,
        version.description,
        tuple(candidates),
    )
