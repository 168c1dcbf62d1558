"""The one door to MLflow: where generations are kept and reviewed.

One experiment and one registered model per monitored model, both under its name; one run (`gen-003`) and one version
per generation, and a child run per candidate it was chosen from. The alias `champion` says which version is in
charge. MLflow's global state is not touched.
"""

import logging
import os
import tempfile
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sklearn.pipeline import Pipeline

from models.charge import alias, take_charge
from models.entry import Draft, Entry, Note, Registry, Server
from models.faults import translate
from models.leftovers import KEY, discard, leftovers
from models.model_files import address_of, demand_logged, digest
from models.naming import approved, candidate_table, fit_metrics
from models.runs import add, begin, experiment_of, log_candidates, log_datasets, log_files, log_metrics
from models.server import server_at
from models.versions import located, log_model, register, versions_of
from records.address import public
from records.errors import BadData, BadSettings, DriftloopError
from records.generation import Generation

__all__ = ["Draft", "Entry", "MlflowRegistry", "Note", "Registry"]

_DIGEST = "driftloop.digest"
_ENVIRONMENT = {  # read by MLflow when it is imported or asked; a value that is set already wins
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # it would also send again what was done and whose answer got lost
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}


class MlflowRegistry:
    """Generations in MLflow, at `tracking_uri`: `http://host:5000`, or `sqlite:////folder/mlflow.db` without a server.

    With SQLite the artifacts are in `mlartifacts` beside the database file.
    """

    def __init__(self, tracking_uri: str) -> None:
        try:
            scheme = urlsplit(tracking_uri).scheme
        except ValueError:  # brackets that are no IPv6 address
            scheme = ""
        if scheme not in ("http", "https", "sqlite", "postgresql"):
            raise BadSettings(
                f"services.mlflow {public(tracking_uri)!r} is not an MLflow address;"
                " use http://host:port of a server or sqlite:///file"
            )
        self._uri = tracking_uri

    def __repr__(self) -> str:
        return f"MlflowRegistry({public(self._uri)!r})"

    @cached_property
    def _client(self) -> Any:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"])
        return MlflowClient(self._uri, registry_uri=self._uri)

    def check(self) -> None:
        """Return if MLflow answers; raises `ServiceDown` or `NotAllowed`."""
        with self._translated("its experiments"):
            self._client.search_experiments(max_results=1)

    def log(self, draft: Draft) -> Entry:
        """See `Registry.log`; a run left half-way by a crash is marked FAILED and replaced."""
        with self._translated(f"generation {draft.number} of {draft.model!r}"), tempfile.TemporaryDirectory() as folder:
            experiment = self._experiment(draft.model)
            for run in self._client.search_runs([experiment], f"tags.`{KEY}` = '{draft.key}'"):
                if run.info.status == "FINISHED":
                    return self._entry(run.info.run_id, draft, run.data.tags.get(_DIGEST, ""))
                discard(self._client, run, why="a crash left it half-way")
            run_id = begin(self._client, draft, experiment)
            model_id = log_model(self._client, draft, experiment, run_id, Path(folder) / "model")
            self._client.set_tag(run_id, _DIGEST, files := digest(Path(folder) / "model"))
            holdout = log_datasets(self._client, draft, run_id)
            metrics = fit_metrics(draft.fit) | dict(draft.metrics)
            log_metrics(self._client, run_id, metrics, model_id=model_id, dataset=holdout)
            log_candidates(self._client, draft, experiment, run_id)
            tables = {"candidates.json": candidate_table(draft.candidates or (draft.fit,))}
            log_files(self._client, run_id, Note(artifacts=draft.artifacts, tables=tables))
            register(self._client, draft, run_id, model_id, has_server=self._uri.startswith("http"))
            self._client.set_terminated(run_id, "FINISHED")
            return self._entry(run_id, draft, files)

    def discard(self, model: str, *, up_to: int, known: Collection[str], key: str = "") -> tuple[str, ...]:
        """See `Registry.discard`; the runs stay, FAILED and with a tag that says why."""
        with self._translated(f"what a crash left of {model!r}"):
            found = leftovers(self._client, model, up_to=up_to, known=known, key=key)
            why = "a crash kept it from the ledger"
            return tuple(version for run in found for version in discard(self._client, run, why=why))

    def load(self, generation: Generation) -> Pipeline:
        """See `Registry.load`."""
        with self._downloaded(address_of(generation)) as path:
            demand_logged(generation, digest(path))
            return self._read(path, address_of(generation))

    def fetch(self, address: str) -> Pipeline:
        """See `Registry.fetch`; `models:/name/version`, `models:/name@alias` and any address MLflow can download."""
        with self._downloaded(address) as path:
            return self._read(path, address)

    def digest(self, generation: Generation) -> str:
        """See `Registry.digest`."""
        with self._downloaded(address_of(generation)) as path:
            return digest(path)

    def server(self) -> Server | None:
        """See `Registry.server`."""
        if not self._uri.startswith("http"):
            return None
        with self._translated("its version"):
            return server_at(self._client.tracking_uri)

    def versions(self, model: str) -> frozenset[str]:
        """See `Registry.versions`."""
        with self._translated(f"the versions of {model!r}"):
            return versions_of(self._client, model)

    def champion(self, model: str) -> str | None:
        """See `Registry.champion`."""
        with self._translated(f"the champion of {model!r}"):
            return alias(self._client, model, "champion")

    def approval(self, model: str, version: str) -> str:
        """See `Registry.approval`."""
        with self._translated(f"version {version!r} of {model!r}"):
            return approved(self._client.get_model_version(model, version).tags)

    def promote(self, model: str, version: str, *, expected: str | None) -> None:
        """See `Registry.promote`; MLflow has no compare-and-set, so the caller holds the promotion lock."""
        with self._translated(f"version {version!r} of {model!r}"):
            take_charge(self._client, model, version, expected=expected)

    def annotate(self, run_id: str, note: Note) -> None:
        """See `Registry.annotate`."""
        with self._translated(f"run {run_id!r}"):
            add(self._client, run_id, note)

    # ---------------------------------------------------------------- one piece of a generation each

    @contextmanager
    def _downloaded(self, address: str) -> Iterator[Path]:
        """A copy of a model's files for a `with` block: what is checked there is what is read."""
        with self._translated(f"model {address!r}"), tempfile.TemporaryDirectory() as folder:
            place = located(self._client, address, where=public(self._uri))
            import mlflow.artifacts

            yield Path(mlflow.artifacts.download_artifacts(place, dst_path=folder, tracking_uri=self._uri))

    def _read(self, path: Path, address: str) -> Pipeline:
        import mlflow.sklearn

        pipeline = mlflow.sklearn.load_model(str(path))
        if not isinstance(pipeline, Pipeline):
            kind = type(pipeline).__name__
            raise BadData(f"model {address!r} is a {kind}, not a scikit-learn Pipeline; log a Pipeline")
        return pipeline

    def _experiment(self, model: str) -> str:
        place = None
        if self._uri.startswith("sqlite"):  # without a server MLflow would write below the current folder
            database = Path(urlsplit(self._uri).path[1:])
            place = (database.resolve().parent / "mlartifacts" / model).as_uri()
        return experiment_of(self._client, model, place=place)

    def _entry(self, run_id: str, draft: Draft, files: str) -> Entry:
        (version,) = self._client.search_model_versions(f"run_id = '{run_id}'")
        return Entry(run_id, str(version.version), f"models:/{draft.model}/{version.version}", files)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Let nothing of MLflow, its database driver or its HTTP client out of the door."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except DriftloopError:
            raise
        except Exception as error:  # which library fails depends on the address
            translated = translate(error, what=what, where=public(self._uri))
            if translated is None:
                raise
            raise translated from None
