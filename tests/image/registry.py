"""How pip in a build reaches its index: as pip does here. It is lent to the build, and no layer keeps it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

# What of pip's settings says where packages come from over the network. Folders of this machine are of no use there.
_SETTINGS = (
    "index-url",
    "extra-index-url",
    "trusted-host",
    "proxy",
    "cert",
    "client-cert",
    "default-timeout",
    "retries",
)
_FILES = ("cert", "client-cert")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def pip_access(folder: Path) -> list[str]:
    """Options of `buildah build`: pip's settings of this machine in one file, and the certificates that they name."""
    settings = {name: value for name, value in _settings().items() if value}
    written = folder / "pip.conf"
    written.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    lent = [f"--volume={settings[name]}:{settings[name]}:ro" for name in _FILES if name in settings]
    # Each is an argument that a build knows without ARG, and that stays out of the image [Docker, predefined ARGs].
    proxies = [f"--build-arg={name}" for name in _PROXIES if name in os.environ]
    return [f"--volume={written}:/etc/pip.conf:ro", *lent, *proxies]


def _settings() -> dict[str, str]:
    """By their names alone: of several the environment's counts, as with pip."""
    listed = subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], text=True).splitlines()
    found: dict[str, str] = {}
    for line in sorted(listed, key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        words = str(ast.literal_eval(value)).split()
        found[name.rpartition(".")[2]] = " ".join(word for word in words if not word.startswith("file:"))
    return {name: found[name] for name in _SETTINGS if name in found}
