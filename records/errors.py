"""Everything that can go wrong, as one tree.

    DriftloopError
    ├── BadSettings (ValueError)          driftloop.toml cannot be used as it stands
    ├── BadData (ValueError)              a table, a frame or a file is not what the settings promise
    │   └── EmptyWindow                   no production row has arrived in the window
    ├── NotFound (LookupError)            something named does not exist (generation, project, model)
    ├── Conflict (RuntimeError)           another process holds this step, or the champion changed meanwhile
    │   └── LockLost                      a lock was lost while its holder worked; another may have run meanwhile
    ├── Altered (RuntimeError)            a model's files are not those that were logged
    ├── NotAllowed (PermissionError)      a service refused our credentials
    ├── ServiceDown (ConnectionError)     a service cannot be reached or answered with a fault of its own
    └── StorageFull (OSError)             a file could not be written completely; nothing half-written is left

Each message says in one sentence what is wrong, where, and what to do next. Doors translate the errors of the
libraries they wrap into these, so no caller needs to know `httpx`, `sqlalchemy`, `mlflow` or `duckdb`.
"""


class DriftloopError(Exception):
    """Base of every error Driftloop raises on purpose."""


class BadSettings(DriftloopError, ValueError):
    """The settings file or an environment variable cannot be used as it stands."""


class BadData(DriftloopError, ValueError):
    """Rows are not what the settings promise: a missing column, a wrong type, duplicate keys."""


class EmptyWindow(BadData):
    """The production table holds no row in the asked window."""


class NotFound(DriftloopError, LookupError):
    """Something that was named does not exist."""


class Conflict(DriftloopError, RuntimeError):
    """Another process is at the same step, or the state changed since it was read."""


class LockLost(Conflict):
    """A lock was lost while its holder worked, as by a restart of the database server."""


class Altered(DriftloopError, RuntimeError):
    """A model's files are not those that were logged; nothing of them was loaded."""


class NotAllowed(DriftloopError, PermissionError):
    """A service refused the credentials it was given."""


class ServiceDown(DriftloopError, ConnectionError):
    """A service cannot be reached, or answered with a fault of its own."""


class StorageFull(DriftloopError, OSError):
    """A file could not be written completely; what was there before is untouched."""
