"""The sections of `driftloop.toml`, each key with its default and what it may be."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from records.window import in_utc


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Table(_Part):
    """Where production rows are, and the two columns every table must have."""

    url: Annotated[str, Field(repr=False)]  # may carry a password when it comes from the environment
    name: str | None = None
    row_key: str
    time: str


class Columns(_Part):
    """What the model sees and what it predicts."""

    target: str
    task: Literal["classification", "regression"]
    classes: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    datetime: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    pii: tuple[str, ...] = ()
    units: dict[str, str] = {}
    costs: dict[str, dict[str, Annotated[float, Field(ge=0)]]] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        features = [*self.numeric, *self.categorical, *self.datetime, *self.text]
        if not features:
            raise ValueError("name at least one column under numeric, categorical, datetime or text")
        names = [*features, self.target]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"each column may be named once; {', '.join(map(repr, repeated))} is named more often")
        for name in self.pii:
            if name not in features:
                raise ValueError(
                    f"pii names {name!r}, which is not a feature; a column that no model needs is never read"
                )
        if self.task == "classification" and len(set(self.classes)) < 2:
            raise ValueError(f"a classification needs at least two different classes, got {list(self.classes)!r}")
        if self.task == "regression" and self.classes:
            raise ValueError("a regression has no classes; remove them or set task to 'classification'")
        strangers = sorted({*self.costs, *(said for row in self.costs.values() for said in row)} - set(self.classes))
        if strangers:
            raise ValueError(f"costs names {strangers[0]!r}, which is not among the classes")
        return self

    @property
    def cost_matrix(self) -> tuple[tuple[float, ...], ...]:
        """What saying each class costs, a row per true class; a mistake nobody named costs 1, being right nothing."""
        if not self.costs:
            return ()
        known = {(true, said): price for true, row in self.costs.items() for said, price in row.items()}
        return tuple(
            tuple(known.get((true, said), float(true != said)) for said in self.classes) for true in self.classes
        )


class Windows(_Part):
    """The grid of windows: `anchor + k * length_hours`, each looked at `delay_hours` after its end.

    A scheduled `watch` first goes back to the last `catch_up` windows that were missed.
    """

    length_hours: Annotated[float, Field(gt=0)] = 168
    anchor: Annotated[datetime, AfterValidator(in_utc)] = datetime(2024, 1, 1, tzinfo=UTC)
    delay_hours: Annotated[float, Field(ge=0)] = 0
    catch_up: Annotated[int, Field(ge=0)] = 6

    @property
    def length(self) -> timedelta:
        """The length of one window."""
        return timedelta(hours=self.length_hours)


class Alarms(_Part):
    """How often a false alarm is acceptable, and how small an effect never alarms."""

    false_alarms_per_year: Annotated[float, Field(gt=0)] = 1
    minimum_effect: Annotated[float, Field(ge=0)] = 0.1
    sample_rows: Annotated[int, Field(ge=100)] = 50_000
    tests: dict[str, Literal["wasserstein", "ks", "psi", "jensenshannon", "chisquare", "z"]] = {}


class Labels(_Part):
    """What is asked of people, and how much of it."""

    question: Annotated[str, Field(min_length=1)]
    budget: Annotated[int, Field(ge=1)] = 200
    audit_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    overlap: Annotated[int, Field(ge=1, le=20)] = 1
    complete_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    patience_days: Annotated[float, Field(gt=0)] = 14
    poll_minutes: Annotated[float, Field(ge=1)] = 60
    rounds: Annotated[int, Field(ge=1, le=6)] = 3
    reason: Literal["doubt", "margin", "entropy"] = "doubt"
    weekly_budget: Annotated[int, Field(ge=1)] | None = None
    price: Annotated[float, Field(ge=0)] = 0
    currency: str = ""
    gold_share: Annotated[float, Field(ge=0, le=1)] = 0
    suggest: Annotated[float, Field(ge=0, le=1)] = 0
    show_reason: bool = False
    second_look: bool = True


class Training(_Part):
    """How generations are fitted."""

    estimators: Annotated[
        tuple[Literal["random_forest", "extra_trees", "linear", "neighbors", "support_vectors", "boosting"], ...],
        Field(min_length=1),
    ] = ("random_forest", "extra_trees", "linear", "boosting")
    loss: Literal["brier", "log", "zero_one", "cost", "squared", "absolute"] | None = None
    serving: Literal["accelerated", "stock"] = "accelerated"
    holdout_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    harm_tolerance: Annotated[float, Field(ge=0)] = 0.005
    balance: bool = False
    cores: Annotated[int, Field(ge=1)] | None = None
    max_rows: Annotated[int, Field(ge=1000)] | None = None
    seed: int = 0


class Gate(_Part):
    """When a challenger may replace the champion."""

    margin: Annotated[float, Field(ge=0)] = 0
    tolerance: Annotated[float, Field(ge=0)] = 0.005
    minimum_labels: Annotated[int, Field(ge=2)] = 30
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    bias_limit: Annotated[float, Field(gt=0)] = 0.1
    groups: tuple[str, ...] = ()
    memory_share: Annotated[float, Field(ge=0, lt=1)] = 0.2
    approval: Literal["automatic", "manual"] = "automatic"
    shadow: bool = True


class Services(_Part):
    """Where the services are; a relative path or SQLite file is seen from the folder of driftloop.toml."""

    folder: str = ".driftloop"
    ledger: Annotated[str, Field(repr=False)] = "sqlite:///.driftloop/ledger.db"
    mlflow: Annotated[str, Field(repr=False)] = "http://127.0.0.1:5000"
    label_studio: Annotated[str, Field(repr=False)] = "http://127.0.0.1:8080"
