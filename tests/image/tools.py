"""The programs that this takes, from Debian's packages, and who may run them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.image.base import base_of, python_for
from tests.support.dockerfile import ROOT

WORKER, PICTURES = ROOT / "deploy" / "Dockerfile", ROOT / "deploy" / "examples" / "pictures" / "Dockerfile"
# Each program is in the package of its name.
PROGRAMS = ("mmdebstrap", "buildah", "podman", "runc")


def lacking() -> str | None:
    """What is missing here to build and run an image, in one sentence; None where nothing is."""
    if not Path("/etc/debian_version").exists():
        return "The base of the images is made of Debian's packages: run this on Debian."
    if os.geteuid() != 0:
        return "A root file system is made and mounted: run this as root."
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        wanted = " ".join(missing)
        return f"Not installed here: {wanted}. Run make image-check INSTALL=1, or apt-get install {wanted}."
    for name in (base_of(WORKER), base_of(PICTURES)):
        if python_for(name) is None:
            return f"No Python here can be copied to {name}: install one of its version outside /usr, as with pyenv."
    return None


def install() -> None:
    """Install what is missing; where apt cannot, it says why, and `lacking` what is missing still."""
    if all(shutil.which(program) for program in PROGRAMS) or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PROGRAMS]):
        subprocess.run(["apt-get", "-qq", *command], env=quietly, stdout=subprocess.DEVNULL, check=False)
