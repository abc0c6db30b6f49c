# SPDX-License-Identifier: BSD-3-Clause
"""What the figures were measured on."""

from __future__ import annotations

__all__ = ["describe", "is_installed"]

import contextlib
import datetime
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import typing

import gauges

from sake import embedded

_PACKAGES: typing.Final = ("hikari", "redis", "orjson", "hiredis", "uvloop", "ciso8601")
_OLD_PACKAGES: typing.Final = ("hikari-sake", "hikari", "redis", "orjson", "hiredis", "ciso8601")
_ASK: typing.Final = """
import importlib.metadata, json, platform, sys
names = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}
print(json.dumps({"Python": platform.python_version(), **{n: names[n] for n in sys.argv[1:] if n in names}}))
"""


def is_installed(name: str, /) -> bool:
    """Return whether a module can be imported by this interpreter."""
    return importlib.util.find_spec(name) is not None


def describe(old_python: pathlib.Path | None, /) -> dict[str, str]:
    """Describe the machine and what is installed on it.

    Parameters
    ----------
    old_python
        The interpreter of the predecessor's environment, if there is one.

    Returns
    -------
    dict[str, str]
        What there is to say, by what it is about, fit for a table.
    """
    about = {
        "Date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "CPU": f"{_find_processor()}, {os.cpu_count()} cores",
        "System": f"{platform.system()} {platform.machine()}, load average {_measure_load()} before the start",
        "Python": f"{platform.python_version()}, run with `-O`",
        "Packages": ", ".join(f"{name} {version}" for name, version in _find_versions().items()),
        "Server": _find_server(),
    }
    if old_python is not None:
        command = [str(old_python), "-c", _ASK, *_OLD_PACKAGES]
        # Every word of the command is this harness's own.
        versions = json.loads(subprocess.run(command, capture_output=True, check=True, cwd="/").stdout)
        about["Predecessor's environment"] = ", ".join(f"{name} {version}" for name, version in versions.items())

    return about


def _find_processor() -> str:
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()

    return platform.processor() or "unknown"


def _measure_load() -> str:
    return f"{os.getloadavg()[0]:.2f}"


def _find_versions() -> dict[str, str]:
    versions: dict[str, str] = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)

    return versions


def _find_server() -> str:
    with embedded.EmbeddedServer() as server:
        info = gauges.server_info(server.url, "server")

    name, version = "Redis", info["redis_version"]
    if "valkey_version" in info:
        name, version = "Valkey", info["valkey_version"]

    return f"{name} {version} over a unix socket, a fresh one for each measurement"
