"""What reviewers find in MLflow, what survives a crash, and that nothing of MLflow leaks out of its door."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from models.entry import Draft, Note, Rows
from models.registry import MlflowRegistry
from records.errors import BadData, BadSettings, NotAllowed, NotFound, ServiceDown
from tests.models.conftest import FLIGHTS, flights

pytestmark = pytest.mark.services  # needs no server, but MLflow's import and its tables take as long as one
MakeDraft = Callable[..., Draft]
ROWS = flights(20, seed=20)[list(FLIGHTS.features)]
_names = count(1)


@pytest.fixture
def model() -> str:
    """A name no other test uses, as one store serves them all."""
    return f"reviewed-{next(_names)}"


@pytest.fixture
def door(mlflow_store: str) -> MlflowRegistry:
    return MlflowRegistry(mlflow_store)


def run_of(door: MlflowRegistry, run_id: str):  # MLflow is not analysed
    return door._client.get_run(run_id)


def files_of(door: MlflowRegistry, run_id: str) -> list[str]:
    return sorted(entry.path for entry in door._client.list_artifacts(run_id))


def children_of(door: MlflowRegistry, run_id: str):
    experiment = run_of(door, run_id).info.experiment_id
    return door._client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run_id}'")


def test_a_note_that_is_known_already_adds_nothing_to_the_history_of_a_metric(
    door: MlflowRegistry, make_draft: MakeDraft, model: str
) -> None:
    run_id, _, _ = door.log(make_draft(model, 1))
    for accuracy, step in ((0.75, 2), (0.75, 2), (0.5, 3)):
        door.annotate(run_id, Note({"audit.accuracy": accuracy}, step=step))
    history = door._client.get_metric_history(run_id, "audit.accuracy")
    assert [(metric.value, metric.step) for metric in history] == [(0.75, 2), (0.5, 3)]
    assert run_of(door, run_id).data.metrics["audit.accuracy"] == 0.5


def test_audit_metrics_stand_at_the_rows_and_the_model_they_are_about(
    door: MlflowRegistry, make_draft: MakeDraft, model: str
) -> None:
    run_id, _, _ = door.log(make_draft(model, 1))
    rows = Rows("audit", "beef", flights(5, seed=3), "s3://rows")
    for _ in range(2):
        door.annotate(run_id, Note({"audit.accuracy": 0.75, "gain.evenings": 0.1}, rows=rows))
    run = run_of(door, run_id)
    assert [i.dataset.digest for i in run.inputs.dataset_inputs if i.dataset.name == "audit"] == ["beef"]
    (logged,) = door._client.search_logged_models([run.info.experiment_id])
    measured = {metric.key: metric.dataset_name for metric in logged.metrics}
    assert measured["audit.accuracy"] == "audit"
    assert "gain.evenings" not in measured


def test_a_run_shows_what_a_reviewer_needs(
    door: MlflowRegistry, make_draft: MakeDraft, model: str, note_file: Path
) -> None:
    more = {"metrics": {"gain/hour >= 18": 0.5, "undefined": float("nan")}, "tags": {"cause": "2013-03-04"}}
    draft = make_draft(model, 3, artifacts=(note_file,), description="# Why\nDrift.", **more)
    run_id, version, _ = door.log(draft)
    run = run_of(door, run_id)
    assert (run.info.run_name, run.info.status) == ("gen-003", "FINISHED")
    assert run.data.metrics.keys() == {"holdout.brier", "fit seconds", "gain/hour from 18"}
    assert run.data.metrics["holdout.brier"] == draft.fit.holdout_loss
    assert run.data.params["estimator"] == "random_forest"
    assert run.data.params["engine.model"] == "RandomForestClassifier, accelerated"
    assert {"generation": "3", "cause": "2013-03-04", "snapshot": "0123abcd"}.items() <= run.data.tags.items()
    assert run.data.tags["mlflow.note.content"] == "# Why\nDrift."
    assert files_of(door, run_id) == ["candidates.json", "drift.html"]
    datasets = {data.tags[0].value: data.dataset for data in run.inputs.dataset_inputs}
    assert datasets.keys() == {"training", "evaluation"}
    assert datasets["training"].digest == "0123abcd"
    assert json.loads(datasets["training"].source)["uri"] == str(draft.snapshot.train)
    (logged,) = door._client.search_logged_models([run.info.experiment_id])
    assert (logged.name, logged.source_run_id) == ("gen-003", run_id)
    assert {(metric.key, metric.dataset_name) for metric in logged.metrics} >= {("holdout.brier", "holdout")}
    registered = door._client.get_model_version(model, version)
    assert registered.tags["status"] == "candidate"
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": model, "version": int(version)}]


def test_a_note_replaces_files_metrics_and_tags_of_the_same_name(
    door: MlflowRegistry, make_draft: MakeDraft, model: str
) -> None:
    run_id, _, _ = door.log(make_draft(model, 1))
    for gain in (1.0, 2.0):
        table = pd.DataFrame({"regime": ["evenings"], "gain": [gain]})
        door.annotate(
            run_id, Note({"gain": gain}, {"decision": f"{gain}"}, texts={"a.md": f"{gain}"}, tables={"a.json": table})
        )
    run = run_of(door, run_id)
    assert (run.data.metrics["gain"], run.data.tags["decision"]) == (2.0, "2.0")
    assert files_of(door, run_id) == ["a.json", "a.md", "candidates.json"]
    shown = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    assert [entry["path"] for entry in shown] == ["candidates.json", "a.json"]
    content = door._client.download_artifacts(run_id, "a.json")
    assert json.loads(Path(content).read_text()) == {"columns": ["regime", "gain"], "data": [["evenings", 2.0]]}


def test_a_run_left_half_way_by_a_crash_is_marked_failed_and_replaced(
    door: MlflowRegistry, make_draft: MakeDraft, model: str
) -> None:
    """The worst moment: the version is registered, the run not yet closed."""
    draft = make_draft(model, 1)
    draft = replace(draft, candidates=(draft.fit, replace(draft.fit, recipe="recent")))
    crashed = door.log(draft)
    door._client.update_run(crashed.run_id, status="RUNNING")
    entry = door.log(draft)
    assert entry.run_id != crashed.run_id
    assert not children_of(door, crashed.run_id)
    assert len(children_of(door, entry.run_id)) == 2
    assert run_of(door, crashed.run_id).info.status == "FAILED"
    assert [found.run_id for found in door._client.search_model_versions(f"name = '{model}'")] == [entry.run_id]
    assert door.log(draft) == entry
    assert door.load(f"models:/{model}@challenger").predict(ROWS).shape == (20,)


def test_promotion_is_written_on_the_versions(door: MlflowRegistry, make_draft: MakeDraft, model: str) -> None:
    for number in (1, 2):
        door.log(make_draft(model, number))
    door.promote(model, "1", expected=None)
    door.promote(model, "2", expected="1")
    status = [door._client.get_model_version(model, version).tags["status"] for version in ("1", "2")]
    assert status == ["retired", "champion"]
    assert {name: str(version) for name, version in door._client.get_registered_model(model).aliases.items()} == {
        "champion": "2"
    }


LOADER = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.path.append(sys.argv[1])
for name in ("records", "models"):
    try:
        __import__(name)
        sys.exit(name + " can be imported, so this proves nothing")
    except ImportError:
        pass
import mlflow.pyfunc, mlflow.sklearn
import pandas as pd
rows = pd.read_json(sys.argv[2])
rows["rainy"] = rows["rainy"].astype(str)
for place in sys.argv[3:]:
    chances = mlflow.sklearn.load_model(place).predict_proba(rows).tolist()
    print(json.dumps([chances, list(mlflow.pyfunc.load_model(place).predict(rows))]))
"""


def test_logged_models_load_and_predict_where_driftloop_is_not(
    door: MlflowRegistry, make_draft: MakeDraft, model: str, tmp_path: Path
) -> None:
    """Another process in another folder, with the libraries but without the path to this project."""
    drafts = [make_draft(model, number, serving=serving) for number, serving in enumerate(("accelerated", "stock"), 1)]
    places = []
    for draft, kept_by in zip(drafts, ({"cloudpickle", "scikit-learn-intelex"}, {"skops"}), strict=True):
        places.append(door._located(door.log(draft).model_uri).removeprefix("file://"))
        requirements = Path(places[-1], "requirements.txt").read_text().split()
        assert all("==" in line for line in requirements)
        packages = {line.partition("==")[0] for line in requirements}
        assert packages == {"mlflow", "scikit-learn", "numpy", "pandas"} | kept_by
    rows = ROWS.assign(carrier=np.array([None, "ZZ", *ROWS["carrier"][2:]], dtype=object))
    rows.to_json(tmp_path / "rows.json", double_precision=15)
    libraries = Path(np.__file__).parents[1]  # -S skips the site folder's .pth files, which lead to this project
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LOADER, str(libraries), str(tmp_path / "rows.json"), *places],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for draft, line in zip(drafts, done.stdout.splitlines()[-2:], strict=True):
        chances, served = json.loads(line)
        assert np.allclose(chances, draft.pipeline.predict_proba(rows))
        assert served == draft.pipeline.predict(rows).tolist()


def test_a_pipeline_with_a_class_of_nobody_knows_whom_is_refused(
    door: MlflowRegistry, make_draft: MakeDraft, model: str
) -> None:
    rows = flights(50, seed=21)
    own = Pipeline([("model", OwnRegression())]).fit(rows[["hour"]], rows["late"])
    with pytest.raises(BadData, match="OwnRegression"):
        door.log(replace(make_draft(model, 1), pipeline=own))


class OwnRegression(LogisticRegression):  # type: ignore[misc] # scikit-learn is not analysed
    """A class that would not be there when the model is loaded elsewhere."""


def test_a_model_that_is_no_pipeline_is_told(door: MlflowRegistry, tmp_path: Path) -> None:
    import mlflow.sklearn

    rows = flights(50, seed=21)
    bare = LogisticRegression().fit(rows[["hour"]], rows["late"])
    mlflow.sklearn.save_model(
        bare, tmp_path / "bare", serialization_format="cloudpickle", pip_requirements=["scikit-learn"]
    )
    with pytest.raises(BadData, match="is a LogisticRegression, not a scikit-learn Pipeline"):
        door.load(str(tmp_path / "bare"))


@pytest.mark.parametrize("address", ["ftp://somewhere", "", "mlruns"])
def test_an_address_that_is_not_mlflows_is_refused(address: str) -> None:
    with pytest.raises(BadSettings, match="is not an MLflow address"):
        MlflowRegistry(address)


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that answers every request with one status, as a proxy in front of MLflow may."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://ada:secret@127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answering", "error"),
    [(401, NotAllowed), (403, NotAllowed), (404, NotFound), (501, ServiceDown)],
    indirect=["answering"],
)
def test_refusals_and_faults_of_a_server_become_our_errors_without_its_password(
    answering: str, error: type[Exception], model: str, make_draft: MakeDraft
) -> None:
    door = MlflowRegistry(answering)
    assert "secret" not in repr(door)
    actions: list[Callable[[], object]] = [
        door.check,
        lambda: door.champion(model),
        lambda: door.load(f"models:/{model}/1"),
        lambda: door.promote(model, "1", expected=None),
        lambda: door.annotate("run", Note()),
        lambda: door.log(make_draft(model, 1)),
    ]
    for action in actions:
        with pytest.raises(error) as caught:
            action()
        assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ServiceDown, match=r"MLflow at 'http://127.0.0.1:9'"):
        MlflowRegistry("http://127.0.0.1:9").check()


def test_a_database_that_cannot_be_opened_is_down(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, and long enough to be told from an empty one")
    with pytest.raises(ServiceDown, match="MLflow at 'sqlite:"):
        MlflowRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}").check()
