"""Ports on loopback: finding free ones, and asking who answers there."""

import contextlib
import socket
import urllib.error
import urllib.request

LOOPBACK = "127.0.0.1"


def free_ports(n: int) -> tuple[int, ...]:
    """Return `n` different TCP ports that are free on loopback at this moment.

    >>> len(set(free_ports(3)))
    3
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return tuple(one.getsockname()[1] for one in sockets)


def taken(port: int) -> bool:
    """Return whether something accepts connections on this loopback port.

    >>> taken(free_ports(1)[0])
    False
    """
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def answers(url: str, *, timeout_seconds: float = 5.0) -> bool:
    """Return whether a GET of `url` is answered with 200; a proxy set in the environment is not asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout_seconds) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
