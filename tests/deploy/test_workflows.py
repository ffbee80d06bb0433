""".github/workflows: linted, pinned, with no more rights than each job needs. No test here can run them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.chart import environment, pods, render

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
FILES = sorted(WORKFLOWS.glob("*.yml"))
TEST, RELEASE = (yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text()) for name in ("test", "release"))


def steps(workflow: dict[str, Any], job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workflow["jobs"][job]["steps"]
    return found


def step(job: str, words: str) -> dict[str, Any]:
    """The one step of a job of the release that contains these words."""
    [found] = [each for each in steps(RELEASE, job) if words in f"{each.get('name')} {each.get('uses')}"]
    return found


@pytest.mark.slow
def test_actionlint_finds_no_fault() -> None:
    linter = Path(sys.executable).with_name("actionlint")
    if not linter.exists():
        pytest.skip("pip install -e '.[deploy]'")
    ran = subprocess.run([linter, *FILES], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("file", FILES, ids=[each.stem for each in FILES])
def test_each_action_is_pinned_by_commit_and_bears_its_version(file: Path) -> None:
    used = re.findall(r"uses: (?!\./)(\S+)(.*)$", file.read_text(), re.MULTILINE)
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_one_action_has_one_version() -> None:
    used = re.findall(r"uses: ([\w-]+/[\w-]+)@(\S+)", "".join(file.read_text() for file in FILES))
    assert len(dict(used)) == len(set(used))


def test_rights_are_read_only_but_for_those_who_publish() -> None:
    assert TEST["permissions"] == RELEASE["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in TEST["jobs"].values())
    writes = {
        name: {right for right, level in job.get("permissions", {}).items() if level == "write"}
        for name, job in RELEASE["jobs"].items()
    }
    assert {name: rights for name, rights in writes.items() if rights} == {
        "pypi": {"id-token"},
        "image": {"packages", "id-token"},
        "chart": {"packages", "id-token"},
        "notes": {"contents"},
    }


@pytest.mark.parametrize("workflow", [TEST, RELEASE], ids=["test", "release"])
def test_no_script_contains_a_text_that_others_write(workflow: dict[str, Any]) -> None:
    every = [each for job in workflow["jobs"].values() for each in job.get("steps", [])]
    assert every
    assert not any("${{" in each.get("run", "") for each in every)
    checkouts = [each for each in every if "actions/checkout" in each.get("uses", "")]
    assert all(each["with"] == {"persist-credentials": False} for each in checkouts)


def test_the_release_publishes_what_was_tested() -> None:
    assert RELEASE["jobs"]["test"]["uses"] == "./.github/workflows/test.yml"
    assert {name for name, job in RELEASE["jobs"].items() if "test" in job.get("needs", [])} >= {"pypi", "image"}
    uploaded = [each["with"] for each in steps(TEST, "distributions") if "upload-artifact" in each.get("uses", "")]
    downloaded = [each["with"] for each in steps(RELEASE, "pypi") if "download-artifact" in each.get("uses", "")]
    assert [each["name"] for each in uploaded] == [each["name"] for each in downloaded]
    for job in ("test", "slow"):
        commands = [each.get("run", "") for each in steps(TEST, job)]
        installs = commands.index("scripts/use_wheel dist/*-none-any.whl")
        assert installs < next(index for index, each in enumerate(commands) if each.startswith("scripts/test"))


def test_the_package_is_published_without_a_password_and_attested() -> None:
    assert RELEASE["jobs"]["pypi"]["environment"]["name"] == "pypi"
    assert step("pypi", "gh-action-pypi-publish")["with"] == {"attestations": True}
    assert "${{ secrets." not in (WORKFLOWS / "release.yml").read_text().replace("${{ secrets.GITHUB_TOKEN }}", "")


def test_the_image_has_two_architectures_a_base_by_digest_a_bill_and_a_signature() -> None:
    given = step("image", "build-push-action")["with"]
    assert given["platforms"] == "linux/amd64,linux/arm64"
    assert (given["sbom"], given["provenance"]) == (True, "mode=max")
    arguments = dict(line.split("=", 1) for line in given["build-args"].splitlines())
    declared = set(re.findall(r"\b(BASE|VERSION|REVISION|CREATED)\b", (ROOT / "Dockerfile").read_text()))
    assert set(arguments) == declared
    resolve = step("image", "Resolve the base")["run"]
    assert 'echo "base=$base@$digest"' in resolve
    assert arguments["BASE"] == "${{ steps.names.outputs.base }}"
    assert "cosign sign --yes" in step("image", "Sign it")["run"]


@pytest.mark.slow
def test_the_published_chart_names_the_published_image(tmp_path: Path) -> None:
    pytest.importorskip("helm_python")
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    script = step("chart", "The chart names the image")["run"]
    image, digest = "ghcr.io/example/ringback", "sha256:" + "1" * 64
    edits = "\n".join(line for line in script.splitlines() if line.startswith("sed "))
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", edits], cwd=tmp_path, env={"IMAGE": image, "DIGEST": digest}, check=True
    )
    chart = tmp_path / "deploy" / "helm" / "ringback"
    for pod in pods(render(chart=chart)).values():
        assert pod["containers"][0]["image"] == f"{image}@{digest}"
        assert environment(pod)
    assert f"image: {image}:" in (chart / "Chart.yaml").read_text()


def test_a_tag_that_is_not_the_version_ends_the_release(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/release", "scripts/make_release.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "7.8.9"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 7.8.9 - 2026-12-01\n\nNew.\n")
    script = step("version", "The tag is the version")["run"]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    codes = []
    for tag in ("v7.8.9", "v7.8.8", "7.8.9"):
        variables = {"TAG": tag, "GITHUB_OUTPUT": str(tmp_path / tag), "PATH": path}
        ran = subprocess.run(
            ["bash", "-e", "-c", script], cwd=tmp_path, env=variables, capture_output=True, check=False
        )
        codes.append(ran.returncode)
    assert codes == [0, 1, 1]
    assert (tmp_path / "v7.8.9").read_text() == "version=7.8.9\n"
