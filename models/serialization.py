"""How a fitted pipeline is kept, so that it loads without Driftloop from what its own requirements install."""

import pickle
from importlib.metadata import version as installed
from typing import Any

from sklearn.pipeline import Pipeline

from records.errors import BadData


def serialization(pipeline: Pipeline) -> dict[str, Any]:
    """Return how MLflow is to keep a pipeline: skops for plain scikit-learn, cloudpickle for sklearnex.

    skops makes Python abort on sklearnex's classes.
    Raises `BadData` for a class that is neither, so that every model loads from what its requirements install.
    """
    common = ("scikit-learn", "numpy", "pandas")
    content = pickle.dumps(pipeline)  # tells what is nested, too, and never aborts
    if any(library in content for library in (b"sklearnex", b"onedal", b"daal4py")):
        return {
            "serialization_format": "cloudpickle",
            "pip_requirements": _pinned(*common, "scikit-learn-intelex", "cloudpickle"),
        }
    import skops.io

    types = skops.io.get_untrusted_types(data=skops.io.dumps(pipeline))
    foreign = [name for name in types if name.partition(".")[0] not in ("sklearn", "numpy", "scipy")]
    if foreign:
        raise BadData(
            f"the pipeline holds {foreign[0]!r}, which cannot be kept safely; use scikit-learn's classes only"
        )
    return {
        "serialization_format": "skops",
        "skops_trusted_types": types,
        "pip_requirements": _pinned(*common, "skops"),
    }


def _pinned(*packages: str) -> list[str]:
    return [f"{package}=={installed(package)}" for package in packages]
