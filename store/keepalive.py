"""How connections to PostgreSQL notice within two minutes that their server is gone without a word."""

from typing import Any

from sqlalchemy import URL

_SECONDS = 120
_OPTIONS = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 60,
    "keepalives_interval": 15,
    "keepalives_count": 4,
    "tcp_user_timeout": 1000 * _SECONDS,  # milliseconds; of what was sent and not acknowledged, by Linux alone
}


def keepalive(url: URL) -> dict[str, Any]:
    """Return libpq's options for a connection to `url`, but for those that the address itself gives.

    Without them, a query to a server that vanished, or behind a router that forgot the connection, waits for hours and
    its flow run with it. A server that is busy with a long query is not taken to be gone: its machine answers.

    >>> from sqlalchemy import make_url
    >>> sorted(keepalive(make_url("postgresql://db/loop?keepalives_idle=5&connect_timeout=2&tcp_user_timeout=0")))
    ['keepalives', 'keepalives_count', 'keepalives_interval']
    """
    return {name: value for name, value in _OPTIONS.items() if name not in url.query}
