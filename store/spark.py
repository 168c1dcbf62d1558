"""Spark in local mode: a session of our own, and what it complains about in our words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from records.errors import BadData, BadSettings, DriftloopError, NotFound, ServiceDown
from store.faults import first_line

_NAMED = re.compile(r"\[[A-Z][A-Z_.]+\] .*")
_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",  # else large results take the way over the machine's own name, and get lost
}


@contextmanager
def spark_session(master: str, what: str) -> Iterator[Any]:
    """Give a session with settings and views of its own; Spark's errors become ours, and `what` names the table.

    Starting Java takes seconds, so it runs on for the next session until this process ends. Raises `BadSettings` when
    pyspark or Java is not installed.
    """
    try:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise BadSettings(f"{what} needs Spark, which is not installed; run `uv sync --extra spark`") from None
    try:
        builder = SparkSession.builder.master(master).appName("driftloop")
        for name, value in _LOCAL.items():
            builder = builder.config(name, value)
        shared = builder.getOrCreate()
        shared.sparkContext.setLogLevel("OFF")  # what goes wrong is raised, and said once
        session = shared.newSession()
        session.conf.set("spark.sql.caseSensitive", "true")
        session.conf.set("spark.sql.shuffle.partitions", "16")  # by default 200, as for a cluster
        session.conf.set("spark.sql.session.timeZone", "UTC")
        yield session
    except DriftloopError:
        raise
    except (PySparkException, Py4JError) as error:
        raise _ours(error, what) from error


def _ours(error: Exception, what: str) -> DriftloopError:
    named = _NAMED.search(str(error))  # Spark's own name for what is wrong, however deep Java has buried it
    words = named[0] if named else first_line(error)
    if "JAVA_GATEWAY_EXITED" in words:
        return BadSettings(f"{what} needs Spark, and Spark needs Java 17 or newer; install it, or set JAVA_HOME")
    if "PATH_NOT_FOUND" in words or "UNABLE_TO_INFER_SCHEMA" in words:
        return NotFound(f"{what} does not exist ({words}); correct table.url in the settings")
    if "TIMESTAMP(NANOS" in words:
        return BadData(f"{what} holds times in nanoseconds, which Spark cannot read; write them in microseconds")
    if named:
        return BadData(f"{what} cannot be read ({words}); correct it or its columns' types")
    return ServiceDown(f"{what} cannot be read, because Spark failed ({words}); check its memory and run again")
