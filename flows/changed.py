"""The settings of a model with some values changed, for trying out what would have been."""

import tomllib
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from flows.settings import Settings
from records.errors import BadSettings

CHANGEABLE = ("alarms", "labels", "training", "gate")


class _AsGiven(Settings):
    """Settings that the environment has no say in: it has had it when they were read."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the arguments alone."""
        return (init_settings,)


def changed(settings: Settings, changes: Sequence[str], **services: str) -> Settings:
    """Return the settings with changes such as `gate.alpha=0.1`; a value is written as in the TOML file.

    A word that is no TOML value is taken as text. Raises `BadSettings` for a key that cannot be changed here and for a
    value that does not fit.
    """
    content: dict[str, Any] = settings.model_dump()
    content["services"] |= services
    for change in changes:
        key, equals, text = change.partition("=")
        part, dot, name = key.strip().partition(".")
        if not (equals and dot) or part not in CHANGEABLE or name not in content[part]:
            raise BadSettings(
                f"{change!r} changes nothing that can be tried again; write SECTION.KEY=VALUE with a key of"
                f" {', '.join(CHANGEABLE)}, such as labels.budget=100"
            )
        content[part] = {**content[part], name: _value(text.strip())}
    try:
        return _AsGiven(**content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"])) or "the settings"
        raise BadSettings(f"{where} cannot be changed so: {problem['msg']}") from None


def _value(text: str) -> object:
    """Read one TOML value.

    >>> _value("0.1"), _value("[1, 2]"), _value("automatic")
    (0.1, [1, 2], 'automatic')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
