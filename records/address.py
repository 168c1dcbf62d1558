"""An address of a service, a table or a file, as it may be shown to people."""

import re
from urllib.parse import parse_qsl

_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_SECRET = re.compile(r"(pass|password|passwd|pwd|secret|token|api[_-]?key)$", re.IGNORECASE)


def public(address: str) -> str:
    """Return an address without what may be secret: user and password, and the query; a plain path stays as it is.

    The user goes too, because a token may stand there. A password need not be encoded as it should be: where an @
    comes after a ? or a #, nothing tells which part is secret, and only the scheme is left.

    >>> public("https://ada:s3/cr#et@mlflow.example:5000/x"), public("postgresql://ada:s3/cret@db:5432/loop")
    ('https://...', 'postgresql://db:5432/loop')
    >>> public("postgresql+psycopg://db.example:5432/loop?user=ada&password=s3cret")
    'postgresql+psycopg://db.example:5432/loop'
    >>> public("http://127.0.0.1:5000"), public("sqlite:////srv/a@b/ledger.db"), public("data/flights.parquet")
    ('http://127.0.0.1:5000', 'sqlite:////srv/a@b/ledger.db', 'data/flights.parquet')
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        before, at, after = address.rpartition("@")
        return after if at and ":" in before else address
    if rest.startswith("/"):  # no server, so no user: a path
        return scheme + separator + rest.partition("?")[0]
    place, *behind = re.split(r"[?#]", rest, maxsplit=1)
    if "@" in "".join(behind):
        return f"{scheme}{separator}..."
    return scheme + separator + place.rpartition("@")[2]


def without_secrets(text: str) -> str:
    """Return a text in which every address is public, such as the message of a foreign error.

    >>> without_secrets("API request to http://ada:s3cret@mlflow:5000/api failed")
    'API request to http://mlflow:5000/api failed'
    """
    return _ADDRESS.sub(lambda found: public(found[0]), text)


def holds_secret(address: str) -> bool:
    """Return whether an address carries a password or a token, as part of its user or in its query.

    >>> holds_secret("postgresql://ada:s3/cret@db/loop"), holds_secret("postgresql://db/loop?user=ada&password=x")
    (True, True)
    >>> holds_secret("postgresql://ada@db:5432/loop?sslmode=require"), holds_secret("sqlite:///a:b@c.db")
    (False, False)
    """
    _, _, rest = address.partition("://")
    if not rest.startswith("/") and re.match(r"[^@]*:.+@", rest, re.DOTALL):
        return True
    query = parse_qsl(rest.partition("?")[2])
    return any(_SECRET.search(name) for name, _ in query)
