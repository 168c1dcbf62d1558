"""The kernel's process table, read from /proc (Linux): who a process is, who belongs to it, and what it listens on.

A process id alone names nobody, since ids are reused; an id and its start time do. Every service carries a mark, one
environment variable with a random value, which its descendants inherit: so even those that left the process group
or lost their parent are found, and nothing else is.
"""

import os
from pathlib import Path

MARK = "DRIFTLOOP_SERVICE"
_LISTEN = "0A"
_ZOMBIE = "Z"


def start_ticks(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot, or None if no living process has this id.

    >>> start_ticks(os.getpid()) == start_ticks(os.getpid())
    True
    >>> start_ticks(2**22 + 1) is None
    True
    """
    fields = _stat(pid)
    return None if fields is None or fields[0] == _ZOMBIE else int(fields[19])


def marked(mark: str) -> frozenset[int]:
    """Return the ids of the living processes that inherited `mark`; those of other users are left out unless root."""
    line = f"{MARK}={mark}".encode()
    return frozenset(pid for pid in _ids() if line in _environment(pid) and start_ticks(pid) is not None)


def group(leader: int) -> frozenset[int]:
    """Return the ids of the living processes in the process group that `leader` opened."""
    return frozenset(
        pid for pid in _ids() if (fields := _stat(pid)) and fields[0] != _ZOMBIE and int(fields[2]) == leader
    )


def listens(pids: frozenset[int], *, port: int) -> bool:
    """Return whether one of the processes holds the listening TCP socket (IPv4) on `port`."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    sockets = {f"socket:[{row[9]}]" for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port}
    return any(link in sockets for pid in pids for link in _open_files(pid))


def _ids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()  # the name before it may itself hold spaces and brackets


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _open_files(pid: int) -> list[str]:
    links = []
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            links.append(os.readlink(entry.path))
    except OSError:
        pass  # the process, or the file, is gone meanwhile
    return links
