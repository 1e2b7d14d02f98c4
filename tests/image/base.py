"""The base image of the Dockerfiles, made here: Debian's packages, and a Python of this machine.

It is committed under the very name that FROM says, so that the Dockerfiles are built as they are. Like the official one
it has its Python below /usr/local, with pip and without anything compiled.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pip

from tests.image.store import CommandFailedError, Store

# Debian's own standard library brings the shared libraries that any Python's extension modules need.
_PACKAGES = "ca-certificates,netbase,tzdata,libpython3-stdlib"
_LEFT_OUT = {"__pycache__", "test", "tests", "idle_test", "site-packages", "dist-packages"}
_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_PIP = "#!/usr/local/bin/python3\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"
_WHERE = """
import json, sys, sysconfig
told = sysconfig.get_config_vars()
print(json.dumps({
    "name": "python%d.%d" % sys.version_info[:2],
    "library": sysconfig.get_path("stdlib"),
    "shared": told["LIBDIR"] + "/" + told["INSTSONAME"] if told.get("Py_ENABLE_SHARED") else None,
}))
"""


def base_of(dockerfile: Path) -> str:
    """What its FROM names, unless the builder says otherwise."""
    [name] = re.findall(r"^ARG PYTHON=(\S+)$", dockerfile.read_text(), re.M)
    return str(name)


def python_for(image: str) -> str | None:
    """A Python of this machine to put into it: one of the version that the image's tag says, else the one that runs.

    It has to be a copy's worth: Debian's own keeps its packages where no other does.
    """
    version = image.rpartition(":")[2].partition("-")[0]
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    found = [shutil.which(f"python{version}"), *pyenv.glob(f"versions/{version}.*/bin/python{version}"), sys.executable]
    return next((str(path) for path in found if path and _can_be_copied(str(path))), None)


def make_base(store: Store, name: str, python: str) -> None:
    """Make the image of this name with this Python, unless it is there."""
    label = ("recipe", hashlib.sha256(Path(__file__).read_bytes() + python.encode()).hexdigest())
    if not store.has(name, label):
        archives = (store.folder / "python.tar", store.folder / "base.tar")
        store.folder.mkdir(parents=True, exist_ok=True)
        _pack_python(python, archives[0])
        _bootstrap(*archives)
        changes = (f"--change=ENV PATH={_PATH}", f"--change=LABEL {label[0]}={label[1]}")
        store.podman("import", *changes, str(archives[1]), name)
        for archive in archives:
            archive.unlink()


def _can_be_copied(python: str) -> bool:
    """A shim of pyenv's may also name a version that is not switched on."""
    command = [python, "-I", "-c", "import sys; sys.exit(sys.base_prefix == '/usr')"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _pack_python(python: str, archive: Path) -> None:
    """A tar file of what belongs below /usr/local."""
    told = json.loads(subprocess.run([python, "-I", "-c", _WHERE], capture_output=True, check=True).stdout)
    program = Path(
        subprocess.check_output([python, "-I", "-c", "import sys; print(sys._base_executable)"], text=True).strip()
    )
    library = f"lib/{told['name']}"
    with tarfile.open(archive, "w") as tar:
        tar.add(program.resolve(), f"bin/{told['name']}")
        for alias in ("python", "python3"):
            tar.addfile(_link(f"bin/{alias}", told["name"]))
        if told["shared"]:
            tar.add(Path(told["shared"]).resolve(), f"lib/{Path(told['shared']).name}")
        for source, target in [
            (Path(told["library"]), library),
            (Path(pip.__path__[0]), f"{library}/site-packages/pip"),
        ]:
            for file in _files(source):
                tar.add(file, f"{target}/{file.relative_to(source)}")
        script = tarfile.TarInfo("bin/pip")
        script.mode, script.size = 0o755, len(_PIP)
        tar.addfile(script, BytesIO(_PIP.encode()))


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - _LEFT_OUT)
        yield from (Path(place, file) for file in sorted(files) if not file.endswith(".a"))


def _link(name: str, target: str) -> tarfile.TarInfo:
    link = tarfile.TarInfo(name)
    link.type, link.linkname = tarfile.SYMTYPE, target
    return link


def _bootstrap(python: Path, archive: Path) -> None:
    """A root file system of this machine's own release, from where this machine gets its packages."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    sources = [Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d/debian.sources")]
    command = [
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={_PACKAGES}"),
        f"--customize-hook=tar-in {python} /usr/local",
        "--customize-hook=chroot $1 ldconfig",
        *(release["VERSION_CODENAME"], str(archive)),
        *(str(source) for source in sources if source.exists() and source.stat().st_size),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise CommandFailedError(command, ended)
