"""What contributors, reports of bugs and a release rely on: one version, forms, workflows."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import augself_loss
from augself_loss.versions import HOSTS, LIBRARIES

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
PAGES = [ROOT / name for name in ("CODE_OF_CONDUCT.md", "SECURITY.md", "CITATION.cff")]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def release_notes() -> Any:
    spec = importlib.util.spec_from_file_location("notes", ROOT / ".ci" / "release_notes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_version_is_one() -> None:
    """It is written in the package; the citation and the changelog's newest section agree."""
    assert 'dynamic = ["version"]' in PYPROJECT
    citation = parsed(ROOT / "CITATION.cff")
    newest = re.findall(r"^## \[(\d.+)\] - (.+)$", read("CHANGELOG.md"), re.MULTILINE)[0]
    cited = str(citation["version"]), str(citation["date-released"])
    assert newest == cited == (augself_loss.__version__, cited[1])


def test_a_release_takes_its_section_of_the_changelog() -> None:
    notes = release_notes().notes(f"v{augself_loss.__version__}")
    assert notes.startswith("### What changes for you")
    assert "\n## " not in notes


def test_a_tag_that_is_not_the_version_is_refused() -> None:
    with pytest.raises(ValueError, match=rf"Expected the tag v{augself_loss.__version__}, .* 'v9'"):
        release_notes().notes("v9")


UNUSABLE = ["## [9.0.0]\n\nundated\n", "## [9.0.0] - 2030-01-01\n\n## [8.0.0] - 2029-01-01\nx"]


@pytest.mark.parametrize("changelog", UNUSABLE, ids=["undated", "empty"])
def test_a_section_without_date_or_text_is_refused(changelog: str) -> None:
    with pytest.raises(ValueError, match=r"expected a section '## \[9.0.0\] - YYYY-MM-DD'"):
        release_notes().section(changelog, "9.0.0")


def test_ruff_is_one_version() -> None:
    """Another version formats otherwise."""
    (pinned,) = re.findall(r'"(ruff==[\d.]+)"', PYPROJECT)
    hooks = parsed(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    asked = [hook["additional_dependencies"] for hook in hooks if hook["id"].startswith("ruff")]
    assert asked == [[pinned], [pinned]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_no_more_rights_and_time_than_they_need(path: Path) -> None:
    workflow = parsed(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
        writes = {right for right, level in job.get("permissions", {}).items() if level == "write"}
        assert len(writes) <= 1, "one job, one right"
        for step in job["steps"]:
            action, _, version = step.get("uses", "own@v0").partition("@")
            assert re.fullmatch(r"(release/)?v\d+", version), f"{action}: pin the major version"
            if action == "actions/checkout":
                assert step["with"]["persist-credentials"] is False


def test_ci_runs_everything_once_and_the_tests_on_every_python() -> None:
    jobs = parsed(GITHUB / "workflows" / "ci.yml")["jobs"]
    assert jobs["everything"]["steps"][-1]["run"] == ".ci/run"
    (pythons,) = jobs["tests"]["strategy"]["matrix"].values()
    everything = jobs["everything"]["steps"][1]["with"]["python-version"]
    supported = re.findall(r"Python :: (3\.\d+)", PYPROJECT)
    assert sorted([*pythons, everything], key=lambda v: int(v[2:])) == supported
    assert f'requires-python = ">={supported[0]}"' in PYPROJECT
    command = jobs["tests"]["steps"][-1]["run"]
    assert f"{command}\n" in read("README.md"), "the README's test command"
    assert f"{command}\n" in read(".ci/run")


def test_only_the_tag_of_a_version_is_published_and_without_a_password() -> None:
    workflow = parsed(GITHUB / "workflows" / "release.yml")
    assert workflow[True] == {"push": {"tags": ["v*"]}}, "YAML 1.1 reads the key `on` as true"
    pypi = workflow["jobs"]["pypi"]
    assert (pypi["environment"], pypi["permissions"]) == ("pypi", {"id-token": "write"})
    assert "secrets." not in (GITHUB / "workflows" / "release.yml").read_text(encoding="utf-8")
    build = [step.get("run", "") for step in workflow["jobs"]["build"]["steps"]]
    assert "python -m build" in build
    assert "twine check --strict dist/*" in build


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_ask_what_github_shows(path: Path) -> None:
    form = parsed(path)
    assert {"name", "description", "body"} <= set(form)
    ids = [field["id"] for field in form["body"]]
    assert len({*ids}) == len(ids)
    assert all(field["attributes"]["label"] for field in form["body"])


def test_the_bug_form_asks_for_the_versions_by_one_command() -> None:
    assert "`python -m augself_loss`" in (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text()


def test_the_command_knows_every_host_that_nox_and_the_extras_install() -> None:
    nox = re.findall(r'^    "(\w+)": \[', read("noxfile.py"), re.MULTILINE)
    known = {name.replace("-", "_") for name in (*LIBRARIES, *HOSTS)}
    assert nox, "the sessions' names are those of the frameworks"
    assert {*nox} - {"vits", "albumentations_x"} <= known


@pytest.mark.parametrize("path", [*PAGES, *WORKFLOWS, *GITHUB.rglob("*TEMPLATE*/*")])
def test_no_address_of_ours_is_invented(path: Path) -> None:
    """Addresses of the project stand in [project.urls] of pyproject.toml, once there are some."""
    text = path.read_text(encoding="utf-8")
    allowed = ("https://www.contributor-covenant.org/", "https://download.pytorch.org/")
    assert all(url.startswith(allowed) for url in re.findall(r"https?://\S+", text))
    assert not re.search(r"\S+@\S+\.\w+", text.replace("uses: ", "")), "nor a mail address"
