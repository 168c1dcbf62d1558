"""Which version of a registered model is in charge in MLflow: it has the alias `champion`.

MLflow's client is handed in by the door.
"""

from typing import Any

from records.errors import Conflict


def alias(client: Any, model: str, name: str) -> str | None:
    """Return the version that has an alias, None when no version has it."""
    for found in client.search_registered_models(f"name = '{model}'"):
        version = found.aliases.get(name)
        return None if version is None else str(version)
    return None


def take_charge(client: Any, model: str, version: str, *, expected: str | None) -> None:
    """Move the alias from `expected` to a version and say so on both; raises `Conflict` if another one has it.

    MLflow has no compare-and-set, so the caller holds the promotion lock.
    """
    client.get_model_version(model, version)
    current = alias(client, model, "champion")
    if current not in (expected, version):
        raise Conflict(
            f"version {current!r} of {model!r} is champion, not {expected!r}; see what changed, promote again"
        )
    if current != version:
        client.set_registered_model_alias(model, "champion", version)
        if current is not None:
            client.set_model_version_tag(model, current, "status", "retired")
    client.set_model_version_tag(model, version, "status", "champion")
    if alias(client, model, "challenger") == version:
        client.delete_registered_model_alias(model, "challenger")
