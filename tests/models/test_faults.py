"""What MLflow complains about, in our words, without the secrets that it quotes."""

import errno
import os
import shutil
import sqlite3

import pytest
from mlflow.exceptions import MlflowException

from models.faults import translate
from records.errors import ServiceDown, StorageFull


def test_an_error_that_quotes_the_address_is_told_without_its_password() -> None:
    """MLflow quotes it so after a server that took the call and did not answer in time."""
    quoted = MlflowException("API request to http://ada:CANARY@mlflow:5000/api/2.0/x failed with exception: timed out")
    error = translate(quoted, what="its experiments", where="http://mlflow:5000")
    assert isinstance(error, ServiceDown)
    assert "API request to http://mlflow:5000/api/2.0/x failed" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")]),
        MlflowException("The following failures occurred: [Errno 28] No space left on device: '/tmp/x'"),
        sqlite3.OperationalError("database or disk is full"),
    ],
)
def test_a_disk_that_is_full_is_told_as_that_however_it_is_wrapped(error: Exception) -> None:
    told = translate(error, what="model 'models:/fraud/1'", where="http://mlflow:5000")
    assert isinstance(told, StorageFull)
    assert str(told) == (
        "no space is left for model 'models:/fraud/1', here or at MLflow 'http://mlflow:5000'; free some and run again"
    )
