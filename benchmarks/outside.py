"""Programs that benchmarks are measured against, run by the peers' own environment on files."""

import json
import subprocess
from pathlib import Path
from typing import Any

PEERS = Path(__file__).resolve().parent / "peers"
PEERS_PYTHON = PEERS / ".venv" / "bin" / "python"
INSTALL = "It lives in an environment of its own: `.tools/bin/uv sync --locked --project benchmarks/peers`."


def installed(package: str, python: Path = PEERS_PYTHON) -> bool:
    """Whether the environment of this `python` is there and has the package."""
    return python.exists() and any(python.parent.parent.glob(f"lib/python*/site-packages/{package}"))


def told(script: str, *arguments: str, python: Path = PEERS_PYTHON) -> Any:
    """Run one of the peers' scripts and return the JSON that is its last line.

    Raises `RuntimeError` with the end of what it wrote to standard error if it fails.
    """
    done = subprocess.run([str(python), str(PEERS / script), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{script} failed; synchronise its environment anew. It said: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
