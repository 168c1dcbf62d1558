"""The audit of the lock files, without a network."""

import os
import subprocess
import sys

from deploy.audit import NOT_CHECKED, told
from deploy.studio import ROOT

NOWHERE = "http://127.0.0.1:9"


def test_without_a_network_it_says_for_each_lock_file_that_nothing_was_checked() -> None:
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), NOWHERE)
    cut_off = {**os.environ, **proxies, "NO_PROXY": "", "no_proxy": "", "UV_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.audit"], cwd=ROOT, env=cut_off, capture_output=True, text=True, check=False
    )
    assert done.returncode == NOT_CHECKED, done.stdout + done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("not checked: the packages of Driftloop, since ")
    assert second.startswith("not checked: the packages of Label Studio, since ")


def test_a_package_that_was_left_out_is_not_counted_as_checked() -> None:
    report = {"dependencies": [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "no such"}]}
    assert told("Driftloop", report) == (
        "Driftloop: 1 of 2 packages checked, 0 known vulnerabilities.",
        "not checked: b: no such",
    )
