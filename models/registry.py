"""The one door to MLflow: where generations are kept and reviewed.

One experiment and one registered model per monitored model, both under its name; one run (`gen-003`) and one version
per generation, and a child run per candidate it was chosen from. The alias `champion` says which version is in
charge. MLflow's global state is not touched.
"""

import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sklearn.pipeline import Pipeline

from models.candidates import candidate_runs
from models.entry import Draft, Entry, Note, Registry, Rows
from models.faults import public, translate
from models.naming import approved, candidate_table, defined, fit_metrics, fit_params, shortened
from models.serialization import serialization
from records.errors import BadData, BadSettings, Conflict, DriftloopError, NotFound
from records.schema import Schema

__all__ = ["Draft", "Entry", "MlflowRegistry", "Note", "Registry"]

_NOTE = "mlflow.note.content"
_PARENT = "mlflow.parentRunId"
_ENVIRONMENT = {  # read by MLflow when it is imported or asked; a value that is set already wins
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}


class MlflowRegistry:
    """Generations in MLflow, at `tracking_uri`: `http://host:5000`, or `sqlite:////folder/mlflow.db` without a server.

    With SQLite the artifacts are in `mlartifacts` beside the database file.
    """

    def __init__(self, tracking_uri: str) -> None:
        scheme = urlsplit(tracking_uri).scheme
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
            for run in self._client.search_runs([experiment], f"tags.`driftloop.key` = '{draft.key}'"):
                if run.info.status == "FINISHED":
                    return self._entry(run.info.run_id, draft)
                self._discard(run.info.run_id, experiment)
            run_id = self._start_run(draft, experiment)
            model_id = self._log_model(draft, experiment, run_id, Path(folder) / "model")
            holdout = self._log_datasets(draft, run_id)
            metrics = fit_metrics(draft.fit) | dict(draft.metrics)
            self._log_metrics(run_id, metrics, model_id=model_id, dataset=holdout)
            self._log_candidates(draft, experiment, run_id)
            note = Note(
                artifacts=draft.artifacts, tables={"candidates.json": candidate_table(draft.candidates or (draft.fit,))}
            )
            self._add(run_id, note)
            self._register(draft, run_id, model_id)
            self._client.set_terminated(run_id, "FINISHED")
            return self._entry(run_id, draft)

    def load(self, model_uri: str) -> Pipeline:
        """See `Registry.load`; `models:/name/version`, `models:/name@alias` and any address MLflow can download."""
        with self._translated(f"model {model_uri!r}"), tempfile.TemporaryDirectory() as folder:
            address = self._located(model_uri)
            import mlflow.artifacts
            import mlflow.sklearn

            path = mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=folder, tracking_uri=self._uri)
            pipeline = mlflow.sklearn.load_model(path)
        if not isinstance(pipeline, Pipeline):
            raise BadData(
                f"model {model_uri!r} is a {type(pipeline).__name__}, not a scikit-learn Pipeline; log a Pipeline"
            )
        return pipeline

    def champion(self, model: str) -> str | None:
        """See `Registry.champion`."""
        with self._translated(f"the champion of {model!r}"):
            return self._alias(model, "champion")

    def approval(self, model: str, version: str) -> str:
        """See `Registry.approval`."""
        with self._translated(f"version {version!r} of {model!r}"):
            return approved(self._client.get_model_version(model, version).tags)

    def promote(self, model: str, version: str, *, expected: str | None) -> None:
        """See `Registry.promote`; MLflow has no compare-and-set, so the caller holds the promotion lock."""
        with self._translated(f"version {version!r} of {model!r}"):
            self._client.get_model_version(model, version)
            current = self._alias(model, "champion")
            if current not in (expected, version):
                raise Conflict(
                    f"version {current!r} of {model!r} is champion, not {expected!r}; see what changed, promote again"
                )
            if current != version:
                self._client.set_registered_model_alias(model, "champion", version)
                if current is not None:
                    self._client.set_model_version_tag(model, current, "status", "retired")
            self._client.set_model_version_tag(model, version, "status", "champion")
            if self._alias(model, "challenger") == version:
                self._client.delete_registered_model_alias(model, "challenger")

    def annotate(self, run_id: str, note: Note) -> None:
        """See `Registry.annotate`; files go to the run's root, where MLflow's comparison page looks for them."""
        with self._translated(f"run {run_id!r}"):
            run = self._client.get_run(run_id)
            if note.rows is not None:
                self._log_rows(run_id, note.rows, "audit")
            outputs = run.outputs.model_outputs if run.outputs else []
            self._add(
                run_id, note, known=run.data.metrics, model_id=outputs[0].model_id if outputs and note.rows else None
            )
            if note.version_tags or note.description:
                self._describe_version(run_id, note)

    # ---------------------------------------------------------------- one piece of a generation each

    def _located(self, model_uri: str) -> str:
        """Where the files of a model are; MLflow itself would ask its global address for a `models:/…` one."""
        name, separator, version = model_uri.removeprefix("models:/").rpartition("@" if "@" in model_uri else "/")
        if not model_uri.startswith("models:/") or not separator:
            return model_uri
        if separator == "@":
            version = self._alias(name, version) or ""
        if not version:
            raise NotFound(
                f"MLflow at {public(self._uri)!r} does not have model {model_uri!r}; no version has this alias"
            )
        return str(self._client.get_model_version_download_uri(name, version))

    def _experiment(self, model: str) -> str:
        found = self._client.get_experiment_by_name(model)
        if found is not None:
            return str(found.experiment_id)
        place = None
        if self._uri.startswith("sqlite"):  # without a server MLflow would write below the current folder
            database = Path(urlsplit(self._uri).path[1:])
            place = (database.resolve().parent / "mlartifacts" / model).as_uri()
        tags = {
            "mlflow.experimentKind": "custom_model_development",
            _NOTE: f"A run per generation of {model}; below each, the candidates it was chosen from.",
        }
        return str(self._client.create_experiment(model, artifact_location=place, tags=tags))

    def _discard(self, run_id: str, experiment: str) -> None:
        """Mark what a crash left as failed, so that it is neither found again nor taken for a generation."""
        for version in self._client.search_model_versions(f"run_id = '{run_id}'"):
            self._client.delete_model_version(version.name, version.version)
        for model in self._client.search_logged_models([experiment], f"source_run_id = '{run_id}'"):
            self._client.delete_logged_model(model.model_id)
        for child in self._client.search_runs([experiment], f"tags.`{_PARENT}` = '{run_id}'"):
            self._client.delete_run(child.info.run_id)
        self._client.delete_tag(run_id, "driftloop.key")
        self._client.set_terminated(run_id, "FAILED")

    def _start_run(self, draft: Draft, experiment: str) -> str:
        from mlflow.entities import Param

        tags = {
            "driftloop.key": draft.key,
            "generation": str(draft.number),
            "snapshot": draft.snapshot.digest,
            _NOTE: shortened(draft.description, 5000),
        }
        run_id = str(self._client.create_run(experiment, tags=tags | dict(draft.tags), run_name=draft.name).info.run_id)
        self._client.log_batch(run_id, params=[Param(*pair) for pair in fit_params(draft.fit).items()])
        return run_id

    def _log_model(self, draft: Draft, experiment: str, run_id: str, path: Path) -> str:
        import mlflow.sklearn
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model

        options = serialization(draft.pipeline)
        tags = {"generation": str(draft.number)}
        created = self._client.create_logged_model(
            experiment, draft.name, run_id, tags, fit_params(draft.fit), "sklearn"
        )
        head = draft.holdout[list(draft.schema.features)].head(0 if draft.schema.pii else 5)
        mlflow.sklearn.save_model(
            draft.pipeline,
            path,
            mlflow_model=Model(artifact_path=created.artifact_location, run_id=run_id, model_id=created.model_id),
            signature=_signature(draft.schema),
            input_example=head if len(head) else None,
            **options,
        )
        self._client.log_model_artifacts(created.model_id, str(path))
        self._client.log_outputs(run_id, [LoggedModelOutput(created.model_id, step=0)])
        self._client.finalize_logged_model(created.model_id, "READY")
        return str(created.model_id)

    def _log_candidates(self, draft: Draft, experiment: str, run_id: str) -> None:
        """Three calls per candidate, however much there is to say about it."""
        from mlflow.entities import Metric, Param

        for one in candidate_runs(draft):
            tags = {_PARENT: run_id, **one.tags}
            child = str(self._client.create_run(experiment, tags=tags, run_name=one.name).info.run_id)
            now = int(time.time() * 1000)
            metrics = [Metric(key, value, now, 0) for key, value in defined(one.metrics).items()]
            self._client.log_batch(child, metrics=metrics, params=[Param(*pair) for pair in one.params.items()])
            self._client.set_terminated(child, "FINISHED")

    def _log_datasets(self, draft: Draft, run_id: str) -> tuple[str, str]:
        """Log what taught and what scored; returns name and digest of the latter."""
        snapshot, target = draft.snapshot, draft.schema.target
        for context, frame, path in (
            ("training", draft.train, snapshot.train),
            ("evaluation", draft.holdout, snapshot.holdout),
        ):
            rows = Rows(path.stem, snapshot.digest, frame.head(100), str(path))
            self._log_rows(run_id, rows, context, target=target)
        return snapshot.holdout.stem, snapshot.digest[:36]

    def _log_rows(self, run_id: str, rows: Rows, context: str, *, target: str | None = None) -> None:
        import mlflow.data
        from mlflow.entities import DatasetInput, InputTag

        data = mlflow.data.from_pandas(
            rows.head, source=rows.source, targets=target, name=rows.name, digest=rows.digest[:36]
        )
        inputs = [DatasetInput(data._to_mlflow_entity(), [InputTag("mlflow.data.context", context)])]
        self._client.log_inputs(run_id, inputs)

    def _log_metrics(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        *,
        model_id: str | None = None,
        dataset: tuple[str, str] = ("", ""),
        step: int = 0,
    ) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        name, digest = dataset
        entities = [
            Metric(
                key,
                value,
                now,
                step,
                model_id=model_id,
                dataset_name=name or None,
                dataset_digest=digest or None,
                run_id=run_id,
            )
            for key, value in defined(metrics).items()
        ]
        if entities:
            self._client.log_batch(run_id, metrics=entities)

    def _register(self, draft: Draft, run_id: str, model_id: str) -> None:
        if not self._client.search_registered_models(f"name = '{draft.model}'"):
            self._client.create_registered_model(draft.model, description="A model monitored by Driftloop.")
        tags = {
            "generation": str(draft.number),
            "status": "candidate",
            "estimator": draft.fit.estimator,
            "recipe": draft.fit.recipe,
        }
        description = shortened(draft.description or draft.name, 5000)
        source = f"models:/{model_id}"
        if not self._uri.startswith("http"):  # MLflow's own store would look that up in its global address
            source = self._client.get_logged_model(model_id).artifact_location
        entry = self._client.create_model_version(
            draft.model, source, run_id, tags, description=description, model_id=model_id
        )
        link = json.dumps([{"name": draft.model, "version": entry.version}])
        self._client.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})
        self._client.set_registered_model_alias(draft.model, "challenger", entry.version)

    def _entry(self, run_id: str, draft: Draft) -> Entry:
        (version,) = self._client.search_model_versions(f"run_id = '{run_id}'")
        return Entry(run_id, str(version.version), f"models:/{draft.model}/{version.version}")

    def _alias(self, model: str, alias: str) -> str | None:
        for found in self._client.search_registered_models(f"name = '{model}'"):
            version = found.aliases.get(alias)
            return None if version is None else str(version)
        return None

    def _add(
        self, run_id: str, note: Note, *, known: Mapping[str, float] | None = None, model_id: str | None = None
    ) -> None:
        """Add a note; metrics that are `known` already keep the history they have."""
        from mlflow.entities import RunTag

        new = {key: value for key, value in defined(note.metrics).items() if (known or {}).get(key) != value}
        of_rows = {key: value for key, value in new.items() if note.rows and key.startswith(f"{note.rows.name}.")}
        if note.rows:
            dataset = (note.rows.name, note.rows.digest[:36])
            self._log_metrics(run_id, of_rows, model_id=model_id, dataset=dataset, step=note.step)
        self._log_metrics(run_id, {key: new[key] for key in new if key not in of_rows}, step=note.step)
        described = {_NOTE: note.description} if note.description else {}
        tags = [RunTag(name, shortened(value, 5000)) for name, value in (dict(note.tags) | described).items()]
        if tags:
            self._client.log_batch(run_id, tags=tags)
        for path in note.artifacts:
            self._client.log_artifact(run_id, str(path))
        # `log_table` would append to the rows of an earlier note; this is the file and the tag it writes.
        tables = {name: table.to_json(orient="split", index=False) for name, table in note.tables.items()}
        contents = {name: text.encode() for name, text in (dict(note.texts) | tables).items()} | dict(note.files)
        if contents:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in contents.items():
                    file = Path(folder, name)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(content)
                self._client.log_artifacts(run_id, folder)
        if note.tables:
            earlier = json.loads(self._client.get_run(run_id).data.tags.get("mlflow.loggedArtifacts", "[]"))
            shown = {entry["path"]: entry for entry in earlier} | {
                name: {"path": name, "type": "table"} for name in note.tables
            }
            self._client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps(list(shown.values())))

    def _describe_version(self, run_id: str, note: Note) -> None:
        for version in self._client.search_model_versions(f"run_id = '{run_id}'"):
            for name, value in note.version_tags.items():
                if version.tags.get(name) != value:
                    self._client.set_model_version_tag(version.name, version.version, name, shortened(value, 5000))
            description = shortened(note.description, 5000)
            if description and version.description != description:
                self._client.update_model_version(version.name, version.version, description)

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


def _signature(schema: Schema) -> Any:
    """The features as MLflow writes them; a category or text may be missing, so it is optional."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType
    from mlflow.types import Schema as Columns

    numeric = [ColSpec(DataType.double, name) for name in schema.numbers]
    texts = [ColSpec(DataType.string, name, required=False) for name in (*schema.categorical, *schema.text)]
    answer = DataType.string if schema.task == "classification" else DataType.double
    return ModelSignature(inputs=Columns([*numeric, *texts]), outputs=Columns([ColSpec(answer)]))
