"""The catalogue at start: from a file or from S3, and one clear error for each way in which it cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.aws.objects import Objects
from service.catalog_source import parse_catalog, read_catalog
from service.settings import SettingsError
from tests.support.connecting import Connect

IMAGE = "images: {one: {task_definition: jobferry-one, container: main}}\n"


@pytest.fixture
async def objects(connect: Connect, name: str) -> Objects:
    """S3 with an empty bucket."""
    client = await connect("s3")
    await client.create_bucket(Bucket=name)
    return Objects(client, None)


async def test_a_file_is_read(objects: Objects, tmp_path: Path) -> None:
    """YAML, with which JSON is read too."""
    file = tmp_path / "catalog.yaml"
    file.write_text(IMAGE)
    assert list((await read_catalog(str(file), objects, "jobferry")).images) == ["one"]


async def test_an_object_is_read(objects: Objects, name: str) -> None:
    """So that a new catalogue needs no new container image."""
    await objects.put(name, "catalog/a.yaml", IMAGE.encode(), "text/yaml")
    assert list((await read_catalog(f"s3://{name}/catalog/a.yaml", objects, "jobferry")).images) == ["one"]


async def test_the_projects_own_catalogue_can_be_used(objects: Objects) -> None:
    """The one that is deployed with the template."""
    own = Path(__file__).parents[2] / "deploy" / "catalog.yaml"
    assert "image_1" in (await read_catalog(str(own), objects, "jobferry")).images


def test_a_catalogue_serves_every_stack() -> None:
    """{prefix} is what the families of a stack begin with, with a revision too; other names stay as they are."""
    text = "images: {a: {task_definition: '{prefix}-a:7', container: c}, b: {task_definition: mine-b, container: c}}"
    images = parse_catalog(text, "catalog.yaml", "second").images
    assert {name: image.task_definition for name, image in images.items()} == {"a": "second-a:7", "b": "mine-b"}


@pytest.mark.parametrize("where", ["/no/such/file.yaml", "s3://{bucket}/missing.yaml", "s3://no-such-bucket-here/a"])
async def test_a_missing_catalogue_is_one_clear_error(objects: Objects, name: str, where: str) -> None:
    """It names the setting and where it looked."""
    where = where.format(bucket=name)
    with pytest.raises(SettingsError, match="JOBFERRY_CATALOG cannot be read") as caught:
        await read_catalog(where, objects, "jobferry")
    assert where.rpartition("/")[-1] in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_catalogue_that_is_no_text_is_one_clear_error(objects: Objects, tmp_path: Path) -> None:
    """Somebody named the wrong file."""
    file = tmp_path / "catalog.yaml"
    file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SettingsError, match="JOBFERRY_CATALOG cannot be read"):
        await read_catalog(str(file), objects, "jobferry")


async def test_a_catalogue_that_is_too_large_is_one_clear_error(objects: Objects, name: str) -> None:
    """Somebody named the wrong object."""
    await objects.put(name, "large.yaml", b"#" * (4 * 1024 * 1024 + 1), "text/yaml")
    with pytest.raises(SettingsError, match="JOBFERRY_CATALOG cannot be read"):
        await read_catalog(f"s3://{name}/large.yaml", objects, "jobferry")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("images: [", "it is not YAML at line 1, column 10: expected the node content"),
        ("images:\n  one: {a: b: c}", "it is not YAML at line 2, column 13: "),
        ("images:\n\tone: {}", "it is not YAML at line 2, column 1: found character '\\t'"),
        (
            "images: !!python/object:os.system {}",
            "it is not YAML at line 1, column 9: could not determine",
        ),
        ("images: \x00", "it is not YAML: special characters are not allowed"),
        ("images: 2024-99-99", "it is not YAML: month must be in 1..12"),
        ("[" * 1_200, "it is not YAML"),
        ("images: {'a/b': {task_definition: x, container: y}}", "a letter or a digit first"),
        (
            "images: {one: {task_definition: 'arn:aws:x', container: y}}",
            "Use a family, or family:revision",
        ),
        ("", "valid dictionary"),
        ("images: {}", "images: "),
        ("version: 2\n" + IMAGE, "version: "),
        (IMAGE + "image: {}", "image: Extra inputs"),
        ("images: {one: {task_definition: jobferry-one}}", "images.one.container: Field required"),
        (
            IMAGE + "job_types: {t: {stages: [{image: two}]}}",
            "job_types.t.stages.0.image: no image is named 'two'",
        ),
        (
            IMAGE + 'job_types: {t: {stages: [{image: one, command: ["{width}"]}]}}',
            "job_types.t: ",
        ),
    ],
    ids=[
        "no YAML",
        "two colons",
        "a tab",
        "code",
        "NUL",
        "no date",
        "a nest",
        "a name with a slash",
        "an ARN",
        "empty",
        "no images",
        "version",
        "unknown field",
        "missing field",
        "unknown image",
        "placeholder",
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    """The file, the field, and what is the matter with it."""
    with pytest.raises(SettingsError) as caught:
        parse_catalog(text, "catalog.yaml", "jobferry")
    assert "The catalogue catalog.yaml cannot be used" in str(caught.value)
    assert said in str(caught.value)
    assert "pattern" not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 1 + (" not YAML" not in str(caught.value))


def test_every_wrong_field_is_named_at_once() -> None:
    """One start shows all that is to mend."""
    with pytest.raises(SettingsError) as caught:
        parse_catalog("images: {one: {}, two: {cpu: lots}}", "catalog.yaml", "jobferry")
    named = [f"images.{image}.{field}" for image in ("one", "two") for field in ("task_definition", "container")]
    assert all(field in str(caught.value) for field in (*named, "images.two.cpu"))
