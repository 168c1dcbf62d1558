"""The address of a PostgreSQL server, taken apart before anything that may quote it sees it."""

import re
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from records.errors import BadSettings

_AMBIGUOUS = re.compile(r"@.*@|\?[^@]*=[^@]*@", re.DOTALL)


def server_url(address: str, what: str) -> URL:
    """Return the parts of a `postgresql://` address; a % that encodes nothing stands for itself.

    `what` says which address it is. Raises `BadSettings`, which quotes no part, for one that cannot be taken apart:
    which @ ends the password, say, cannot be told.

    >>> server_url("postgresql://ada:50%off@db:5432/loop", "the ledger's address").password
    '50%off'
    """
    if _AMBIGUOUS.search(address):
        raise BadSettings(f"{what} has an @ too many; write @ as %40, ? as %3F and = as %3D in a user or a password")
    try:
        parsed = make_url(address)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None:
        raise BadSettings(f"{what} cannot be understood; write postgresql://USER@HOST:PORT/DATABASE")
    return parsed.set(drivername="postgresql+psycopg")


def connection_parts(url: URL) -> dict[str, Any]:
    """Return what `psycopg.connect` wants by name, so that it has no address to quote.

    >>> connection_parts(server_url("postgresql://ada:x@db/loop?sslmode=require", "the table's address"))
    {'host': 'db', 'dbname': 'loop', 'user': 'ada', 'password': 'x', 'sslmode': 'require'}
    """
    _, named = url.get_dialect()().create_connect_args(url)
    return dict(named)
