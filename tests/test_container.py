"""Dockerfile, compose.yaml, the hosted CI and docs/SERVICE.md name what there is: Docker itself cannot run here."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from indexer.cli import app as index_app
from retrieval.service.cli import app as serve_app

COMMANDS = {"index-catalog": index_app, "serve-catalog": serve_app}


def options_of(command: str) -> dict[str, bool]:
    """Its options, and whether each takes a value."""
    known = typer.main.get_command(COMMANDS[command])
    return {name: not getattr(p, "is_flag", False) for p in known.params for name in p.opts if name.startswith("-")}


def check_call(words: list[str]) -> None:
    """Every option of a call is one of the command's."""
    options = options_of(words[0])
    for word in (w for w in words[1:] if w.startswith("-")):
        assert word.partition("=")[0] in options, f"{words[0]} has no option {word}"


@pytest.fixture(scope="module")
def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def dockerfile(root: Path) -> str:
    return (root / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def compose(root: Path) -> dict:
    return yaml.safe_load((root / "compose.yaml").read_text(encoding="utf-8"))


def test_the_image_gets_what_the_wheel_is_built_from(root: Path, dockerfile: str, project: dict) -> None:
    let_through = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (.*)", dockerfile, re.M) for name in line.split()[:-1]}
    assert copied == let_through and all((root / name).exists() for name in copied)
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied
    assert project["project"]["readme"] in copied and set(project["project"]["license-files"]) <= copied
    extras = re.search(r"'\.\[(.*)\]'", dockerfile).group(1).split(",")
    assert "service" in extras and set(extras) <= set(project["project"]["optional-dependencies"])
    entry = re.search(r'ENTRYPOINT \["(.*)"\]', dockerfile).group(1)
    assert entry in project["project"]["scripts"]


def test_the_containers_are_called_as_the_commands_are(dockerfile: str, compose: dict) -> None:
    services = compose["services"]
    check_call([*services["index"]["entrypoint"], *services["index"]["command"]])
    check_call(["serve-catalog", *services["service"]["command"]])
    for name in ("index", "service"):
        assert "http://qdrant:6333" in services[name]["command"] and "qdrant" in services[name]["depends_on"]
        assert {v.split(":")[0] for v in services[name]["volumes"] if not v.startswith("$")} <= set(compose["volumes"])
    port = typer.main.get_command(serve_app).params
    default = next(p.default for p in port if p.name == "port")
    assert services["service"]["ports"] == [f"{default}:{default}"]
    assert f"EXPOSE {default}" in dockerfile and f":{default}/readyz" in dockerfile
    assert "AMGAN_API_KEYS" in services["service"]["environment"]


def test_one_version_of_qdrant_and_its_client(root: Path, compose: dict) -> None:
    image = compose["services"]["qdrant"]["image"]
    jobs = yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert {job["services"]["qdrant"]["image"] for job in jobs.values()} == {image}
    client = re.search(r"^qdrant-client==(\d+\.\d+)", (root / "constraints.txt").read_text(), re.M).group(1)
    assert re.fullmatch(rf"qdrant/qdrant:v{re.escape(client)}\.\d+", image), "client and server must be of one version"


@pytest.mark.parametrize("page", ["docs/SERVICE.md", "examples/shop/README.md", "compose.yaml", "README.md"])
def test_what_pages_tell_people_to_type(root: Path, page: str) -> None:
    text = (root / page).read_text(encoding="utf-8").replace("\\\n", " ")
    calls = re.findall(r"^(?:[A-Z_]+=\S+ )*((?:serve|index)-catalog .*)$", text, re.M)
    assert calls or page == "compose.yaml"
    for call in calls:
        check_call(shlex.split(call, comments=True))
