"""What may be secret in an address is not shown, however it was written; what is not stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.address import holds_secret, public, without_secrets

PLACES = ("postgresql://{}db.example:5432/loop", "https://{}mlflow.example/x", "postgresql+psycopg://{}db/loop?a=b")


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:5000",
        "https://studio.example/label",
        "sqlite:////srv/a@b/ledger.db",
        "sqlite:///.driftloop/ledger.db",
        "postgresql://h1:5432,h2:5433/loop",
        "spark://local[*]/flights.parquet",
        "data/flights#1?.parquet",
        "/srv/ada@work/flights.parquet",
    ],
)
def test_an_ordinary_address_is_shown_as_it_is_and_holds_no_secret(address):
    assert public(address) == address
    assert not holds_secret(address)


@given(
    place=st.sampled_from(PLACES),
    before=st.text(alphabet="aZ9@/?#:%&=", max_size=6),
    after=st.text(alphabet="aZ9@/?#:%&=", max_size=6),
)
def test_no_part_of_a_password_is_shown_whatever_it_holds(place, before, after):
    address = place.format(f"ada:{before}CANARY{after}@")
    assert holds_secret(address)
    for text in (public(address), without_secrets(f"cannot reach {address}")):
        assert "CANARY" not in text
        assert "ada" not in text


@pytest.mark.parametrize("name", ["password", "sslpassword", "PASSWORD", "access_token", "api-key", "pass%77ord"])
@pytest.mark.parametrize("value", ["CANARY", "x@CANARY", "CANARY@y", "x#CANARY"])
@pytest.mark.parametrize("place", ["postgresql://db:5432/loop", "postgresql:///loop", "postgresql://ada@db/loop"])
def test_a_password_in_the_query_is_not_shown(name, value, place):
    address = f"{place}?sslmode=require&{name}={value}"
    assert holds_secret(address)
    assert not {"CANARY", "y", "x"} & set(public(address).replace("://", " ").replace("/", " ").split())


def test_what_the_address_means_stays_readable():
    assert public("postgresql://ada:s3/cret@db:5432/loop") == "postgresql://db:5432/loop"
    assert public("ada:s3cret@mlflow:5000") == "mlflow:5000"
    assert not holds_secret("postgresql://ada@db:5432/loop?sslmode=verify-full&sslkey=/srv/key.pem")
