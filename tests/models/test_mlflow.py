"""What reviewers find in MLflow, what survives a crash, and that nothing of MLflow leaks out of its door."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from benchmarks.faulty_proxy import PASS, Proxy
from deploy import services
from models.accelerate import ESTIMATORS
from models.average import averaged
from models.entry import Draft, Entry, Note, Rows
from models.pipeline import member, preparation
from models.recalibrate import calibrator, recalibrated
from models.registry import MlflowRegistry
from models.versions import located
from records.errors import Altered, BadData, BadSettings, NotAllowed, NotFound, ServiceDown, StorageFull
from tests.models.conftest import FLIGHTS, flights
from tests.models.examples import generation_of

pytestmark = pytest.mark.services  # needs no server, but MLflow's import and its tables take as long as one
MakeDraft = Callable[..., Draft]
ROWS = flights(20, seed=20)[list(FLIGHTS.features)]
SERVINGS = ("accelerated", "stock")
TOOLS = Path(__file__).parents[2] / ".tools" / "bin"
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
    run_id = door.log(make_draft(model, 1)).run_id
    for accuracy, step in ((0.75, 2), (0.75, 2), (0.5, 3)):
        door.annotate(run_id, Note({"audit.accuracy": accuracy}, step=step))
    history = door._client.get_metric_history(run_id, "audit.accuracy")
    assert [(metric.value, metric.step) for metric in history] == [(0.75, 2), (0.5, 3)]
    assert run_of(door, run_id).data.metrics["audit.accuracy"] == 0.5


def test_audit_metrics_stand_at_the_rows_and_the_model_they_are_about(
    door: MlflowRegistry, make_draft: MakeDraft, model: str
) -> None:
    run_id = door.log(make_draft(model, 1)).run_id
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
    run_id, version, _, _ = door.log(draft)
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
    run_id = door.log(make_draft(model, 1)).run_id
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
    assert door.fetch(f"models:/{model}@challenger").predict(ROWS).shape == (20,)


def test_a_run_that_never_came_to_the_ledger_says_so_and_keeps_nothing_that_looks_like_a_generation(
    door: MlflowRegistry, make_draft: MakeDraft, model: str
) -> None:
    draft = make_draft(model, 1)
    left = door.log(replace(draft, candidates=(draft.fit, replace(draft.fit, recipe="recent"))))
    for _ in range(2):
        door.discard(model, up_to=1, known=())
    run = run_of(door, left.run_id)
    assert (run.info.status, run.data.tags["driftloop.discarded"]) == ("FAILED", "a crash kept it from the ledger")
    assert "driftloop.key" not in run.data.tags
    assert not children_of(door, left.run_id)
    assert not door._client.search_logged_models([run.info.experiment_id])
    assert not door._client.search_model_versions(f"name = '{model}'")


@pytest.mark.parametrize("last_done", ["set_tag", "set_terminated", "delete_model_version", "delete_logged_model"])
def test_a_discard_that_is_cut_off_is_done_again(
    door: MlflowRegistry, make_draft: MakeDraft, model: str, monkeypatch: pytest.MonkeyPatch, last_done: str
) -> None:
    """The client dies right after one of the steps."""
    left = door.log(make_draft(model, 1))
    step = getattr(door._client, last_done)

    def die(*arguments: object) -> None:
        step(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(door._client, last_done, die)
        with pytest.raises(KeyboardInterrupt):
            door.discard(model, up_to=1, known=())
    entry = door.log(make_draft(model, 1)) if last_done == "set_terminated" else None  # the same draft comes, too
    door.discard(model, up_to=1, known=() if entry is None else {entry.run_id})
    run = run_of(door, left.run_id)
    assert (run.info.status, "driftloop.key" in run.data.tags) == ("FAILED", False)
    versions = door._client.search_model_versions(f"name = '{model}'")
    assert [version.run_id for version in versions] == ([] if entry is None else [entry.run_id])


class Bomb:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.file,)


def test_a_model_file_that_was_changed_is_not_unpickled(
    door: MlflowRegistry, make_draft: MakeDraft, model: str, tmp_path: Path
) -> None:
    draft = make_draft(model, 1)
    entry = door.log(draft)
    generation = generation_of(draft, entry)
    kept = Path(located(door._client, entry.model_uri, where="here").removeprefix("file://"), "model.pkl")
    kept.write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(Altered, match=r"generation 1 of 'reviewed-\d+', version 1 .* not those that were logged"):
        door.load(generation)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(BadData):
        door.load(replace(generation, digest=""))  # an older ledger knows none, so it is believed
    assert (tmp_path / "ran").exists()


def test_a_version_is_loaded_from_this_registry_whatever_address_the_ledger_has(
    door: MlflowRegistry, make_draft: MakeDraft, model: str, tmp_path: Path
) -> None:
    draft = make_draft(model, 1)
    generation = replace(generation_of(draft, door.log(draft)), model_uri=str(tmp_path / "elsewhere"))
    assert door.load(generation).predict(ROWS).shape == (20,)


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


def loaded(
    python: str | Path, places: list[str], *options: str, libraries: Path, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Let another process load the models at `places` and score the `rows.json` of a folder."""
    return subprocess.run(
        [python, "-I", *options, "-c", LOADER, str(libraries), str(folder / "rows.json"), *places],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_logged_models_load_and_predict_where_driftloop_is_not(
    door: MlflowRegistry, make_draft: MakeDraft, model: str, tmp_path: Path
) -> None:
    """Another process in another folder, with the libraries but without the path to this project."""
    drafts = [make_draft(model, number, serving=serving) for number, serving in enumerate(("accelerated", "stock"), 1)]
    places = []
    for draft, kept_by in zip(drafts, ({"cloudpickle", "scikit-learn-intelex"}, {"skops"}), strict=True):
        places.append(located(door._client, door.log(draft).model_uri, where="here").removeprefix("file://"))
        requirements = Path(places[-1], "requirements.txt").read_text().split()
        assert all("==" in line for line in requirements)
        packages = {line.partition("==")[0] for line in requirements}
        assert packages == {"mlflow", "scikit-learn", "numpy", "pandas"} | kept_by
    rows = ROWS.assign(carrier=np.array([None, "ZZ", *ROWS["carrier"][2:]], dtype=object))
    rows.to_json(tmp_path / "rows.json", double_precision=15)
    # -S skips the site folder's .pth files, which lead to this project.
    done = loaded(sys.executable, places, "-S", libraries=Path(np.__file__).parents[1], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for draft, line in zip(drafts, done.stdout.splitlines()[-2:], strict=True):
        chances, served = json.loads(line)
        assert np.allclose(chances, draft.pipeline.predict_proba(rows))
        assert served == draft.pipeline.predict(rows).tolist()


def average_and_stack(serving: str) -> tuple[Pipeline, Pipeline]:
    """An average of every estimator, and the same with its chances put right."""
    rows, prepared = flights(200, seed=22), preparation(FLIGHTS, seed=0, spread=False)
    X, y = prepared.fit_transform(rows[list(FLIGHTS.features)]), rows["late"].to_numpy()
    how: dict[str, Any] = {"seed": 0, "accelerated": serving == "accelerated", "n_trees": 10}
    members = [member(FLIGHTS, prepared, name, **how).fit(X, y) for name in ESTIMATORS]
    average = averaged(members, np.full(len(members), 1 / len(members)), X, y, "classification")
    right = calibrator(np.tile([0.95, 0.05], (200, 1)), np.arange(200) % 2, np.ones(200), seed=0)
    assert right is not None
    stack = recalibrated(average, right, X, y)
    return Pipeline([("prepare", prepared), ("model", average)]), Pipeline([("prepare", prepared), ("model", stack)])


@pytest.mark.timeout(1800)
def test_averages_and_stacks_load_and_predict_where_only_what_they_require_is_installed(
    door: MlflowRegistry, make_draft: MakeDraft, model: str, tmp_path: Path
) -> None:
    """In a new environment, made from the requirements that were logged with them."""
    numbered = enumerate(((serving, one) for serving in SERVINGS for one in average_and_stack(serving)), 1)
    drafts = [
        replace(make_draft(model, number, serving=serving), pipeline=pipeline)
        for number, (serving, pipeline) in numbered
    ]
    places = [
        located(door._client, door.log(draft).model_uri, where="here").removeprefix("file://") for draft in drafts
    ]
    python = tmp_path / "clean" / "bin" / "python"
    uv = shutil.which("uv", path=os.pathsep.join((str(TOOLS), os.environ["PATH"])))
    assert uv, "uv is needed to make an environment; `make install` fetches it"
    required = [word for place in places for word in ("-r", str(Path(place, "requirements.txt")))]
    for command in (
        ["venv", "--quiet", "--no-project", "--python", sys.executable, str(tmp_path / "clean")],
        ["pip", "install", "--quiet", "--python", str(python), *required],
    ):
        made = subprocess.run([uv, *command], cwd=tmp_path, capture_output=True, text=True, timeout=1200)
        assert made.returncode == 0, made.stderr
    ROWS.to_json(tmp_path / "rows.json", double_precision=15)
    done = loaded(python, places, libraries=tmp_path / "clean", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for draft, line in zip(drafts, done.stdout.splitlines()[-4:], strict=True):
        chances, served = json.loads(line)
        assert np.allclose(chances, draft.pipeline.predict_proba(ROWS))
        assert served == draft.pipeline.predict(ROWS).tolist()


def test_a_full_disk_for_temporary_files_is_one_sentence(
    door: MlflowRegistry, make_draft: MakeDraft, model: str, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = make_draft(model, 1)
    entry = door.log(draft)
    actions: list[Callable[[], object]] = [
        lambda: door.log(make_draft(model, 2)),
        lambda: door.load(generation_of(draft, entry)),
        lambda: door.digest(generation_of(draft, entry)),
        lambda: door.annotate(entry.run_id, Note(texts={"comparison.md": "x" * 10_000})),
    ]
    monkeypatch.setattr("tempfile.tempdir", str(tiny_disk))
    (tiny_disk / "full").write_bytes(bytes(256 * 1024))
    for action in actions:
        with pytest.raises(StorageFull, match="no space is left for"):
            action()
    assert [path.name for path in tiny_disk.iterdir()] == ["full"]


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
        door.fetch(str(tmp_path / "bare"))


@pytest.mark.parametrize("address", ["ftp://somewhere", "", "mlruns", "http://[bad"])
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
        door.server,
        lambda: door.versions(model),
        lambda: door.champion(model),
        lambda: door.fetch(f"models:/{model}/1"),
        lambda: door.load(generation_of(make_draft(model, 1), Entry("run", "1", "", ""))),
        lambda: door.discard(model, up_to=1, known=()),
        lambda: door.promote(model, "1", expected=None),
        lambda: door.annotate("run", Note()),
        lambda: door.log(make_draft(model, 1)),
    ]
    for action in actions:
        with pytest.raises(error) as caught:
            action()
        assert "secret" not in str(caught.value)


@pytest.fixture
def protected() -> Iterator[str]:
    """A server that answers only to a user and a password, as a proxy with a login in front of MLflow does."""
    wanted = f"Basic {b64encode(b'ada:s3cret').decode()}"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == wanted
            versions = b'{"model_versions": [{"name": "fraud", "version": "7"}]}'
            content = b"3.1.4" if self.path == "/version" else versions
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(content) if known else 0))
            self.end_headers()
            if known:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_protected_server_is_asked_with_the_users_password(protected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    door = MlflowRegistry(protected)
    for action in (door.server, lambda: door.versions("fraud")):
        with pytest.raises(NotAllowed, match="check MLFLOW_TRACKING_USERNAME"):
            action()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
    found = door.server()
    assert found is not None
    assert found.version == "3.1.4"
    assert found.date is not None
    assert door.versions("fraud") == {"7"}


def test_a_server_that_is_not_there_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ServiceDown, match=r"MLflow at 'http://127.0.0.1:9'"):
        MlflowRegistry("http://127.0.0.1:9").check()


def test_a_database_that_cannot_be_opened_is_down(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, and long enough to be told from an empty one")
    with pytest.raises(ServiceDown, match="MLflow at 'sqlite:"):
        MlflowRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}").check()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server."""
    folder = tmp_path_factory.mktemp("server")
    running = services.start(services.mlflow_server(folder, port=services.free_ports(1)[0]), timeout_seconds=240.0)
    yield running.url
    services.stop(running)


@pytest.mark.parametrize(
    "made",
    ["experiments/create", "runs/create", "logged-models", "registered-models/create", "model-versions/create"],
)
def test_an_answer_of_mlflow_that_got_lost_doubles_nothing(
    server: str, make_draft: MakeDraft, model: str, made: str
) -> None:
    """A gateway answers 502 to what the server has done; the same call again leaves one of everything."""
    lost: list[str] = []

    def fate(method: str, path: str, _: bytes) -> str:
        if method == "POST" and path.endswith(made) and not lost:
            lost.append(path)
            return "502 after the server committed"
        return PASS

    proxy = Proxy(server, fate, lambda: None, hang_seconds=0)
    try:
        door, draft = MlflowRegistry(proxy.url.rstrip("/")), make_draft(model, 1)
        with pytest.raises(ServiceDown):
            door.log(draft)
        assert lost
        entry = door.log(draft)
        assert door.log(draft) == entry
    finally:
        proxy.close()
    client = MlflowRegistry(server)._client
    assert [str(one.version) for one in client.search_model_versions(f"name = '{model}'")] == [entry.version]
    experiment = client.get_experiment_by_name(model).experiment_id
    runs = client.search_runs([experiment], "tags.`driftloop.key` LIKE '%'")
    assert [(run.info.run_id, run.info.status) for run in runs] == [(entry.run_id, "FINISHED")]
    assert [one.source_run_id for one in client.search_logged_models([experiment])] == [entry.run_id]
