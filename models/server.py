"""What MLflow's server says of itself, asked with the credentials that MLflow's own client uses."""

from models.entry import Server


def server_at(address: str) -> Server:
    """Return the version and the clock of the server at an address; raises what MLflow's client raises."""
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request, verify_rest_response

    answer = verify_rest_response(http_request(get_default_host_creds(address), "/version", "GET"), "/version")
    return Server(answer.text.strip(), answer.headers.get("date"))
