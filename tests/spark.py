"""Whether Spark can run here."""

import importlib.util
import shutil


def missing() -> str | None:
    """Return what the tests of Spark lack, or None."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed here (`uv sync --group spark`)"
    if shutil.which("java") is None:
        return "Java is not installed here (on Debian: `apt install openjdk-17-jre-headless`)"
    return None
