"""One monitored model as its `driftloop.toml` describes it; secrets come from the environment alone."""

import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from flows.sections import Alarms, Columns, Gate, Labels, Services, Table, Training, Windows
from records.address import holds_secret
from records.errors import BadSettings
from records.schema import Schema
from records.window import Window, in_utc, last_complete

NUMERIC_TESTS = ("wasserstein", "ks", "psi", "jensenshannon")
CATEGORICAL_TESTS = ("jensenshannon", "psi", "chisquare", "z")
MODEL_NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,39}$"


class Settings(BaseSettings):
    """Everything `driftloop.toml` says; `DRIFTLOOP_SERVICES__MLFLOW=…` in the environment wins over the file."""

    model_config = SettingsConfigDict(
        env_prefix="DRIFTLOOP_", env_nested_delimiter="__", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    model: Annotated[str, Field(pattern=MODEL_NAME)]
    table: Table
    columns: Columns
    windows: Windows = Windows()
    alarms: Alarms = Alarms()
    labels: Labels
    training: Training = Training()
    gate: Gate = Gate()
    services: Services = Services()
    label_studio_token: SecretStr = SecretStr("")
    path: Path = Path("driftloop.toml")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _loss_fits_task(self) -> Self:
        classifying = self.columns.task == "classification"
        losses = ("brier", "log", "zero_one", "cost") if classifying else ("squared", "absolute")
        if self.training.loss not in (None, *losses):
            raise ValueError(
                f"training.loss {self.training.loss!r} does not fit a {self.columns.task};"
                f" use one of {', '.join(losses)}"
            )
        if self.training.loss == "cost" and not self.columns.costs:
            raise ValueError(
                "training.loss 'cost' needs columns.costs: what saying a class costs where another is true"
            )
        return self

    @model_validator(mode="after")
    def _groups_are_categories(self) -> Self:
        for name in self.gate.groups:
            if name not in self.columns.categorical:
                raise ValueError(f"gate.groups names {name!r}, which is not under columns.categorical")
            if name in self.columns.pii:
                raise ValueError(f"gate.groups names {name!r}, which is under columns.pii; its values would be shown")
        return self

    @model_validator(mode="after")
    def _tests_fit_columns(self) -> Self:
        for name, test in self.alarms.tests.items():
            numbers = (*self.columns.numeric, *self.columns.datetime)
            if name not in (*numbers, *self.columns.categorical):
                raise ValueError(f"alarms.tests names {name!r}, which is not under numeric, categorical or datetime")
            fitting = NUMERIC_TESTS if name in numbers else CATEGORICAL_TESTS
            if test not in fitting:
                raise ValueError(f"alarms.tests: {test!r} does not fit column {name!r}; use {', '.join(fitting)}")
        return self

    @property
    def roles(self) -> Schema:
        """The columns and their roles, as the rooms know them."""
        c = self.columns
        return Schema(
            row_key=self.table.row_key,
            time=self.table.time,
            target=c.target,
            task=c.task,
            numeric=c.numeric,
            categorical=c.categorical,
            classes=c.classes,
            units=tuple(c.units.items()),
            datetime=c.datetime,
            text=c.text,
            costs=c.cost_matrix,
            pii=c.pii,
        )

    @property
    def loss(self) -> str:
        """The loss per row that decides: the one named, or a proper one that fits the task."""
        return self.training.loss or ("brier" if self.columns.task == "classification" else "squared")

    @property
    def folder(self) -> Path:
        """Where snapshots, batch samples and reports are kept."""
        return (self.path.parent / self.services.folder).resolve()

    def window_at(self, moment: datetime) -> Window:
        """Return the window that a run scheduled for `moment` is about: the last one complete by then."""
        ready = in_utc(moment) - timedelta(hours=self.windows.delay_hours)
        return last_complete(ready, length=self.windows.length, anchor=self.windows.anchor)

    def located(self, url: str) -> str:
        """Return `url` with a relative file path made absolute from the folder of driftloop.toml."""
        scheme, separator, rest = url.partition("://")
        if not separator:
            return str((self.path.parent / url).resolve())
        before, _, path = rest.partition("/")
        if scheme == "spark" or (scheme in ("sqlite", "duckdb") and not before):
            return f"{scheme}://{before}/{(self.path.parent / path).resolve()}"
        return url


def load_settings(path: Path) -> Settings:
    """Read `driftloop.toml`, with the environment's `DRIFTLOOP_…` variables on top.

    Raises `BadSettings` when the file is missing, is not TOML, has an unknown key or a value that does not fit, or
    holds a secret.
    """
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadSettings(f"there is no settings file {str(path)!r}; write one with `driftloop init`") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BadSettings(f"{str(path)!r} cannot be read as TOML: {error}; correct it and run again") from None
    if secret := _secret(content):
        raise BadSettings(f"{str(path)!r} holds a secret; remove it and set {secret} in the environment instead")
    try:
        return Settings(**content, path=path.resolve())
    except ValidationError as error:
        raise BadSettings(f"{str(path)!r} cannot be used: {_first_problem(error)}") from None


def _secret(content: dict[str, Any]) -> str | None:
    """The environment variable that should hold what the file must not, if there is one."""
    if "label_studio_token" in content:
        return "DRIFTLOOP_LABEL_STUDIO_TOKEN"
    for part, key in (("table", "url"), ("services", "ledger"), ("services", "mlflow"), ("services", "label_studio")):
        section = content.get(part)
        if isinstance(section, dict) and holds_secret(str(section.get(key, ""))):
            return f"DRIFTLOOP_{part}__{key}".upper()
    return None


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    where = ".".join(map(str, problem["loc"])) or "the file"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where!r}; remove it or correct its spelling"
    if problem["type"] == "missing":
        return f"{where!r} is missing; add it (`driftloop init --print` shows every key)"
    if problem["type"] == "string_pattern_mismatch":
        return f"{where} cannot name a model; use up to 40 letters, digits, - and _, a letter first"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {message[0].lower()}{message[1:]}"
