"""An address of a service or a file, as it may be shown to people."""


def without_password(url: str) -> str:
    """Return `url` without its password and its query, which may hold one too; a plain path stays as it is.

    >>> without_password("postgresql+psycopg://ada:s3cret@db.example:5432/loop?password=s3cret")
    'postgresql+psycopg://ada@db.example:5432/loop'
    >>> without_password("sqlite:///.driftloop/ledger.db"), without_password("data/flights.parquet")
    ('sqlite:///.driftloop/ledger.db', 'data/flights.parquet')
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    user_info, at, place = rest.rpartition("@")
    return scheme + separator + user_info.partition(":")[0] + at + place.partition("?")[0]
