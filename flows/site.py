"""One monitored model with its doors to the outside, each opened when it is first used."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

import pandas as pd
from sklearn.pipeline import Pipeline

from flows.settings import Settings
from labeling.studio import LabelStudio, Studio
from models.registry import MlflowRegistry, Registry
from monitors.baseline import Baseline
from monitors.schema import check_frame
from records.batch import Batch
from records.errors import BadSettings, NotAllowed, NotFound
from records.generation import Generation
from records.schema import Schema
from records.window import Window
from store.ledger import Ledger, open_ledger
from store.snapshots import read, read_frame
from store.warehouse import ProductionTable, open_table

Record = TypeVar("Record")
_MOST_PIPELINES = 4


def _now() -> datetime:
    return datetime.now(UTC)


class Site:
    """The settings, the ledger, the production table, Label Studio and MLflow of one monitored model.

    Tests hand in twins; everyone else gives settings alone.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: Ledger | None = None,
        table: ProductionTable | None = None,
        studio: Studio | None = None,
        registry: Registry | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.settings = settings
        self.now = now
        self.count: Callable[[str, int, int], None] = lambda *_: None
        self.baselines: dict[str, Baseline] = {}
        self.reference: tuple[object, pd.DataFrame] | None = None
        self._pipelines = lru_cache(_MOST_PIPELINES)(lambda one: self.registry.load(one))
        given = {"ledger": ledger, "table": table, "studio": studio, "registry": registry}
        self.__dict__.update({name: door for name, door in given.items() if door is not None})

    @property
    def model(self) -> str:
        """The monitored model's name."""
        return self.settings.model

    @property
    def schema(self) -> Schema:
        """The monitored model's columns."""
        return self.settings.roles

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, with its tables brought up to date."""
        url = self.settings.located(self.settings.services.ledger)
        if url.startswith("sqlite:///"):
            folder = Path(url.removeprefix("sqlite:///")).parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise NotAllowed(
                    f"the ledger's folder {str(folder)!r} cannot be made ({error.strerror}); correct services.ledger"
                ) from None
        return open_ledger(url)

    @cached_property
    def table(self) -> ProductionTable:
        """The production table, checked to have the columns the model needs."""
        table = self.settings.table
        door = open_table(self.settings.located(table.url), self.schema, table=table.name)
        door.check()
        return door

    @cached_property
    def studio(self) -> Studio:
        """Label Studio, checked to answer to our token."""
        token = self.settings.label_studio_token.get_secret_value()
        if not token:
            raise BadSettings("Label Studio's token is not known; set DRIFTLOOP_LABEL_STUDIO_TOKEN in the environment")
        door = LabelStudio(self.settings.services.label_studio, token)
        door.check()
        return door

    @cached_property
    def registry(self) -> Registry:
        """MLflow, checked to answer."""
        door = MlflowRegistry(self.settings.located(self.settings.services.mlflow))
        door.check()
        return door

    def once(self, window: Window, step: str, kind: type[Record], make: Callable[[], Record]) -> Record:
        """Return what `make` returns, made at most once for (model, window, step) and kept in the ledger."""
        with self.ledger.steps.claim(self.model, window, step) as claim:
            done = claim.done(kind)
            if done is not None:
                return done
            record = make()
            claim.finish(record)
            return record

    def champion(self) -> Generation:
        """The generation in charge; raises `NotFound` when the model was never adopted."""
        champion = self.ledger.generations.champion(self.model)
        if champion is None:
            raise NotFound(f"model {self.model!r} has no generation yet; run `driftloop adopt` first")
        return champion

    def pipeline(self, generation: Generation) -> Pipeline:
        """The fitted pipeline of a generation; the last few that were asked for are not loaded again."""
        return self._pipelines(generation)

    def sample(self, window: Window) -> pd.DataFrame:
        """The normalised sample of a window that was ingested; raises `NotFound` otherwise."""
        batch = self.ledger.steps.get(self.model, window, "ingest", Batch)
        if batch is None:
            raise NotFound(
                f"window {window.name} of {self.model!r} was not ingested; run `driftloop watch` for it first"
            )
        return check_frame(read_frame(batch.sample), self.schema, where=f"the sample {batch.sample}")

    def holdout(self, generation: Generation) -> pd.DataFrame:
        """The labelled rows that a generation's family never learned from."""
        return check_frame(
            read(generation.snapshot)[1],
            self.schema,
            where=f"the holdout {generation.snapshot.holdout}",
            need_target=True,
        )
