"""Packs what `template.yaml` deploys beside itself: two functions' zips, and the template with its artifacts in S3.

`aws cloudformation package` does the second part on AWS; the local run does it with `packaged_template`. The template
is longer than the 51,200 bytes that CreateStack takes as TemplateBody, so it too goes to S3 and by TemplateURL.

    python -m deploy.package build/plan_next_step.zip --dependencies build/lambda
"""

from __future__ import annotations

import argparse
import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy.imported import imported_files

# The properties of this template that name a local file, and what CloudFormation calls the parts of its place in S3.
PACKAGED_PROPERTIES = {"Code": ("S3Bucket", "S3Key"), "DefinitionS3Location": ("Bucket", "Key")}
STATE_MACHINE = "state_machine.asl.json"
LAMBDA_ZIP = "../build/plan_next_step.zip"
API_ZIP = "../build/track_jobs.zip"

_PLANNER = Path("workers", "plan_next_step.py")
_API = Path("workers", "track_jobs.py")
# What it judges requests by, where the worker's image has the same.
_CATALOG = Path("deploy", "catalog.yaml")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # The oldest time that a zip can say.
_READABLE = 0o644 << 16
_LOCAL_PATH = re.compile(rf"^(?P<indent> *)(?P<property>{'|'.join(PACKAGED_PROPERTIES)}): (?P<path>[\w./-]+)$", re.M)


def build_lambda_zip(root: Path, dependencies: Path | None = None) -> bytes:
    """The zip of the planner's function: what it imports, and nothing else.

    The same bytes for the same sources, so that a deployment without a change changes nothing.
    `dependencies` is a folder of installed packages for Lambda's platform; the local run needs none, since its
    functions run in our own interpreter.
    """
    return _zip_of(root, imported_files(root, root / _PLANNER), dependencies)


def build_api_zip(root: Path, dependencies: Path | None = None) -> bytes:
    """The zip of the function that serves the HTTP API, made in the same way."""
    return _zip_of(root, (*imported_files(root, root / _API), root / _CATALOG), dependencies)


def _zip_of(root: Path, ours: Iterable[Path], dependencies: Path | None) -> bytes:
    files = {path.relative_to(root).as_posix(): path for path in ours}
    if dependencies is not None:
        files.update((path.relative_to(dependencies).as_posix(), path) for path in _files_below(dependencies))
    return _zipped(files)


def build_zips(root: Path, dependencies: Path | None = None, api_dependencies: Path | None = None) -> dict[str, bytes]:
    """Both, by the paths under which the template names them."""
    return {LAMBDA_ZIP: build_lambda_zip(root, dependencies), API_ZIP: build_api_zip(root, api_dependencies)}


def packaged_template(template: str, bucket: str, keys: Mapping[str, str]) -> str:
    """The template with each local path replaced by its place in S3; `keys` says which path lies under which key.

    Raises KeyError for a path without a key: the template would not deploy.
    """

    def place(match: re.Match[str]) -> str:
        bucket_name, key_name = PACKAGED_PROPERTIES[match["property"]]
        key = keys[match["path"]]
        return f"{match['indent']}{match['property']}: {{{bucket_name}: {bucket}, {key_name}: {key}}}"

    return _LOCAL_PATH.sub(place, template)


def _files_below(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _zipped(files: Mapping[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _READABLE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name].read_bytes())
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the zip of the planner's Lambda function.")
    parser.add_argument("zip", type=Path)
    parser.add_argument("--dependencies", type=Path, help="packages installed for Lambda's platform")
    parser.add_argument("--api", action="store_true", help="of the function that serves the HTTP API instead")
    arguments = parser.parse_args()
    arguments.zip.parent.mkdir(parents=True, exist_ok=True)
    build = build_api_zip if arguments.api else build_lambda_zip
    arguments.zip.write_bytes(build(Path(__file__).parent.parent, arguments.dependencies))


if __name__ == "__main__":
    main()
