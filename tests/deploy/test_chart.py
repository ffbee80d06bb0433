"""deploy/helm/ringback: rendered by Helm's own library, and held against the schemas of Kubernetes."""

import tarfile
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from service.cli.commands import COMMANDS
from service.dashboard.app import create_dashboard
from service.settings import _UNUSED_BY_INGRESS, Settings
from tests.deploy.chart import (
    CHART,
    EVERYTHING,
    METADATA,
    SCHEMA,
    VALUES,
    environment,
    load,
    of_kind,
    pods,
    render,
    render_texts,
)
from tests.stack import Stack, make_settings

pytestmark = pytest.mark.slow
helm: Any = pytest.importorskip("helm_python", reason="pip install -e '.[deploy]'")

KNOWN = {str(field.validation_alias): name for name, field in Settings.model_fields.items()}
SECRETS = {
    "RINGBACK_DASHBOARD_USERS",
    "RINGBACK_ENCRYPTION_KEY",
    "RINGBACK_FORWARD_SECRET",
    "RINGBACK_NOTIFY",
    "RINGBACK_PROBE_KEY",
    "TELNYX_API_KEY",
}
OF_THE_CHART = {f"RINGBACK_{name}" for name in ("GRACE", "PORT", "ADMIN_PORT", "DASHBOARD_PORT", "DASHBOARD_HOST")}
OF_THE_IMAGE = {f"RINGBACK_{name}" for name in ("HOST", "ADMIN_HOST", "DATA", "MAX_MEMORY")}
BOTH = pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])


def test_helm_finds_no_fault() -> None:
    report = helm.lint(CHART, values=EVERYTHING, strict=True)
    assert report["errors"] == []
    assert [each["error"] for each in report["messages"]] == ["icon is recommended"]


def test_the_chart_has_the_version_of_the_project() -> None:
    project = tomllib.loads((CHART.parents[2] / "pyproject.toml").read_text())["project"]
    assert METADATA["version"] == METADATA["appVersion"] == project["version"]
    notes = {key.removeprefix("artifacthub.io/"): text for key, text in METADATA["annotations"].items()}
    assert {"category", "license", "images", "changes", "prerelease"} <= set(notes)
    [image] = yaml.safe_load(notes["images"])
    assert (image["image"], len(image["platforms"])) == (f"{VALUES['image']['repository']}:{project['version']}", 2)
    assert [each["kind"] for each in yaml.safe_load(notes["changes"])] == ["added"]


@BOTH
@pytest.mark.parametrize("version", ["1.30", None], ids=["oldest", "newest"])
def test_kubernetes_takes_every_object(values: dict[str, Any], version: str | None) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    version = version or validator.latest_version()
    of_others = {"HTTPRoute", "ScaledObject", "ServiceMonitor", "PrometheusRule"}
    objects = [each for each in render(values) if each["kind"] not in of_others]
    assert {"Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget", "Pod"} <= {
        each["kind"] for each in objects
    }
    for each in objects:
        validator.validate(each, version, strict=True)


@BOTH
def test_each_pod_meets_the_restricted_pod_security_standard(values: dict[str, Any]) -> None:
    found = pods(render(values))
    assert set(found) >= {"ingress", "worker", "probe"}
    for pod in found.values():
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(pod)
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert not any("hostPort" in port for port in container.get("ports", []))
            assert container["resources"]["limits"]["memory"]
        allowed = {"configMap", "emptyDir", "secret", "name"}
        assert all(set(volume) <= allowed for volume in pod.get("volumes", []))
        # A Service named `ringback` would set RINGBACK_PORT, and nothing here calls Kubernetes.
        assert (pod["enableServiceLinks"], pod["automountServiceAccountToken"]) == (False, False)


@BOTH
def test_each_variable_is_known_and_valid(values: dict[str, Any]) -> None:
    for role, pod in pods(render(values)).items():
        given = {name: each["value"] for name, each in environment(pod).items() if "value" in each and name in KNOWN}
        make_settings(**{KNOWN[name]: value for name, value in given.items()})
        assert set(environment(pod)) - set(KNOWN) <= {"PYTHONWARNINGS", "DATABASE"}
        assert pod["containers"][0]["args"][0] in COMMANDS, role


def test_secrets_come_by_reference_and_each_role_gets_its_own() -> None:
    found = {role: environment(pod) for role, pod in pods(render(EVERYTHING)).items()}
    assert not _UNUSED_BY_INGRESS & set(found["ingress"])
    assert "RINGBACK_DASHBOARD_USERS" not in found["worker"]
    for variables in found.values():
        for name in (SECRETS | {"REDIS_URL", "TELNYX_PUBLIC_KEY"}) & set(variables):
            assert "value" not in variables[name]
    assert found["worker"]["REDIS_URL"]["valueFrom"]["secretKeyRef"] == {"name": "redis", "key": "url"}
    required = {
        role: {n for n, v in variables.items() if "secretKeyRef" in (ref := v.get("valueFrom", {})) and _must(ref)}
        for role, variables in found.items()
    }
    assert required == {
        "ingress": {"REDIS_URL", "TELNYX_PUBLIC_KEY"},
        "worker": {"REDIS_URL", "TELNYX_API_KEY", "DATABASE"},
        "dashboard": {"REDIS_URL", "RINGBACK_DASHBOARD_USERS"},
        "probe": set(),
    }


def _must(reference: dict[str, Any]) -> bool:
    return not reference["secretKeyRef"].get("optional", False)


def test_a_stop_leaves_time_for_the_grace_and_for_late_requests() -> None:
    for values in ({}, {"graceSeconds": 60, "drainSeconds": 20}):
        found = pods(render(values))
        for role, drain in (("ingress", values.get("drainSeconds", 10)), ("worker", 0)):
            pod = found[role]
            grace = environment(pod)["RINGBACK_GRACE"]["value"]
            assert grace == f"{values.get('graceSeconds', 25)}s"
            assert pod["terminationGracePeriodSeconds"] >= drain + int(grace[:-1]) + 5
            hook = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {})
            assert hook.get("seconds", 0) == drain


def test_no_pod_is_restarted_for_an_outage_of_redis(stack: Stack) -> None:
    found = pods(render({"dashboard": {"enabled": True}}))
    paths = {role: found[role]["containers"][0]["livenessProbe"]["httpGet"]["path"] for role in ("ingress", "worker")}
    assert paths == {"ingress": "/healthz", "worker": "/healthz"}
    assert found["ingress"]["containers"][0]["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}

    path = found["dashboard"]["containers"][0]["livenessProbe"]["httpGet"]["path"]
    nowhere = make_settings(redis_url="redis://127.0.0.1:1").redis_url
    without_redis = create_dashboard(stack.settings.model_copy(update={"redis_url": nowhere}))
    with stack.host.serving(without_redis):
        assert httpx.get(f"{stack.host.url}{path}", trust_env=False).status_code == 200


def test_routes_lead_to_the_webhooks_and_to_nothing_else() -> None:
    objects = render(EVERYTHING)
    [rule] = of_kind(objects, "HTTPRoute")[""]["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/webhooks"}}]
    assert set(rule) == {"matches", "backendRefs"}
    services = of_kind(objects, "Service")
    [backend] = rule["backendRefs"]
    assert backend == {"name": "hooks-ringback-ingress", "port": services["ingress"]["spec"]["ports"][0]["port"]}
    [host] = of_kind(objects, "Ingress")[""]["spec"]["rules"]
    assert [(each["path"], each["pathType"]) for each in host["http"]["paths"]] == [("/webhooks", "Prefix")]

    outside = render({"ingress": {"service": {"type": "LoadBalancer"}}})
    published = {name for name, each in of_kind(outside, "Service").items() if each["spec"]["type"] == "LoadBalancer"}
    assert published == {"ingress"}
    assert [each["targetPort"] for each in services["ingress"]["spec"]["ports"]] == ["http"]
    assert not {"HTTPRoute", "Ingress"} & {each["kind"] for each in render()}


def test_each_service_and_budget_selects_the_pods_of_its_role() -> None:
    objects = render(EVERYTHING)
    templates = of_kind(objects, "Deployment")
    for name, service in of_kind(objects, "Service").items():
        template = templates[name.removesuffix("-metrics")]["spec"]["template"]
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for name, budget in of_kind(objects, "PodDisruptionBudget").items():
        assert budget["spec"]["selector"] == templates[name]["spec"]["selector"]
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_metrics_of_all_processes_are_scraped_as_one_job() -> None:
    objects = render(EVERYTHING)
    monitor = of_kind(objects, "ServiceMonitor")[""]["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    chosen = {
        name for name, each in of_kind(objects, "Service").items() if wanted <= each["metadata"]["labels"].items()
    }
    assert chosen == {"ingress-metrics", "worker-metrics"}
    services = of_kind(objects, "Service")
    assert {services[name]["metadata"]["labels"][monitor["jobLabel"]] for name in chosen} == {"hooks"}
    assert [each["port"] for each in monitor["endpoints"]] == ["admin"]
    rules = of_kind(objects, "PrometheusRule")[""]["spec"]
    assert rules == yaml.safe_load((CHART.parents[1] / "alerts.yaml").read_text())


def test_the_ingress_reaches_redis_and_names_alone() -> None:
    policies = of_kind(render(EVERYTHING), "NetworkPolicy")
    ports = {
        name: [[p["port"] for p in rule["ports"]] for rule in each["spec"]["egress"]] for name, each in policies.items()
    }
    assert ports == {
        "ingress": [[53, 53], [6379]],
        "worker": [[53, 53], [6379], [443]],
        "dashboard": [[53, 53], [6379], [443]],
    }
    [http, admin] = policies["ingress"]["spec"]["ingress"]
    assert ([each["port"] for each in http["ports"]], [each["port"] for each in admin["ports"]]) == (
        ["http"],
        ["admin"],
    )
    probe = of_kind(render(EVERYTHING), "Pod")["probe"]["metadata"]["labels"].items()
    assert any(each.get("podSelector", {}).get("matchLabels", {"": ""}).items() <= probe for each in http["from"])
    closed = of_kind(render({"dashboard": {"enabled": True}}), "NetworkPolicy")["dashboard"]["spec"]
    assert (closed["ingress"], closed["policyTypes"]) == (None, ["Ingress", "Egress"])


def test_workers_follow_the_due_events_and_the_ingress_its_load(stack: Stack) -> None:
    objects = render(EVERYTHING)
    deployments = of_kind(objects, "Deployment")
    assert all("replicas" not in deployments[name]["spec"] for name in ("ingress", "worker"))
    assert [of_kind(render(), "Deployment")[name]["spec"]["replicas"] for name in ("ingress", "worker")] == [2, 2]

    scaled = of_kind(objects, "ScaledObject")["worker"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == deployments["worker"]["metadata"]["name"]
    assert scaled["minReplicaCount"] >= 1
    [trigger] = scaled["triggers"]
    metadata = trigger["metadata"]
    host, port = metadata["url"].removeprefix("http://").removesuffix("/metrics").split(":")
    asked = of_kind(objects, "Service")["ingress-metrics"]
    assert host == f"{asked['metadata']['name']}.prod.svc"
    assert [each["port"] for each in asked["spec"]["ports"]] == [int(port)]
    # A line of its own, without labels, as KEDA's parser wants it.
    assert f"\n{metadata['valueLocation']} 0.0\n" in stack.http.get("/metrics").text
    assert (metadata["format"], trigger["metricType"]) == ("prometheus", "AverageValue")
    cpu = of_kind(objects, "HorizontalPodAutoscaler")["ingress"]["spec"]
    assert cpu["scaleTargetRef"]["name"] == deployments["ingress"]["metadata"]["name"]
    assert VALUES["ingress"]["resources"]["requests"]["cpu"]


def test_files_lie_in_app_one_by_one_and_a_change_restarts_the_workers() -> None:
    worker = of_kind(render(EVERYTHING), "Deployment")["worker"]["spec"]["template"]
    mounts = {
        each["mountPath"]: each["subPath"]
        for each in worker["spec"]["containers"][0]["volumeMounts"]
        if "subPath" in each
    }
    assert mounts == {f"/app/{name}": name for name in EVERYTHING["files"]}
    assert of_kind(render(EVERYTHING), "ConfigMap")["files"]["data"] == EVERYTHING["files"]
    changed = of_kind(render(EVERYTHING | {"files": {"my_handlers.py": ""}}), "Deployment")
    assert changed["worker"]["spec"]["template"]["metadata"]["annotations"] != worker["metadata"]["annotations"]
    unchanged = of_kind(render(EVERYTHING), "Deployment")["ingress"]["spec"]["template"]
    assert changed["ingress"]["spec"]["template"] == unchanged


def test_helm_test_sends_a_probe_to_the_ingress() -> None:
    objects = render()
    pod = of_kind(objects, "Pod")["probe"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    *command, url = pod["spec"]["containers"][0]["args"]
    service = of_kind(objects, "Service")["ingress"]
    assert command == ["healthcheck", "--probe"]
    assert url == f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}/webhooks"


def test_settings_are_the_variables_that_hold_no_secret() -> None:
    assert set(SCHEMA["properties"]["settings"]["properties"]) == set(KNOWN) - SECRETS - OF_THE_CHART - OF_THE_IMAGE
    assert set(SCHEMA["properties"]["secretRefs"]["propertyNames"]["enum"]) == SECRETS | {
        "REDIS_URL",
        "TELNYX_PUBLIC_KEY",
    }


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"setings": {}}, "setings"),
        ({"settings": {"RINGBACK_SMS_FORM": "+13125550199"}}, "RINGBACK_SMS_FORM"),
        ({"settings": {"TELNYX_API_KEY": "KEY"}}, "TELNYX_API_KEY"),
        ({"settings": {"REDIS_URL": "redis.example.com"}}, "REDIS_URL"),
        ({"settings": {"RINGBACK_GRACE": "60s"}}, "RINGBACK_GRACE"),
        ({"ingress": {"replicas": 0}}, "replicas"),
        ({"worker": {"autoscaling": {"minReplicas": 0}}}, "minReplicas"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"kubernetesIngress": {"enabled": True}}, "hosts"),
        ({"networkPolicy": {"redisPorts": ["6379"]}}, "redisPorts"),
        ({"graceSeconds": "25s"}, "graceSeconds"),
    ],
)
def test_a_wrong_value_is_refused_and_named(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmValuesError) as error:
        render(values)
    assert told in str(error.value)


def test_a_password_in_the_settings_is_refused_and_not_shown() -> None:
    with pytest.raises(helm.HelmRenderError, match="has a password") as error:
        render({"settings": {"REDIS_URL": "rediss://me:hidden@redis:6379"}})
    assert "hidden" not in str(error.value)


def test_the_schema_names_every_value_and_no_other() -> None:
    assert list(_missing(VALUES, SCHEMA)) == []


def _missing(values: dict[str, Any], schema: dict[str, Any], path: str = "") -> list[str]:
    """The paths that only one of the two has, below values that the schema closes."""
    if schema.get("additionalProperties") is not False or path == ".settings":
        return []
    properties = dict(schema["properties"])
    properties.pop("global", None)
    differing = [f"{path}.{name}" for name in set(values) ^ set(properties)]
    inner = [
        _missing(values[n], properties[n], f"{path}.{n}") for n in set(values) & set(properties) if _is_map(values[n])
    ]
    return differing + [each for found in inner for each in found]


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def test_the_package_has_all_that_the_folder_has(tmp_path: Path) -> None:
    archive = Path(helm.package(CHART, destination=tmp_path))
    with tarfile.open(archive) as packed:
        names = set(packed.getnames())
    assert {"ringback/README.md", "ringback/files/alerts.yaml", "ringback/values.schema.json"} <= names
    assert render(EVERYTHING, chart=archive) == render(EVERYTHING)


def test_the_notes_say_what_is_missing() -> None:
    notes = render_texts()["ringback/templates/NOTES.txt"]
    assert ("no route leads here" in notes, "RINGBACK_PUBLIC_URL is not set" in notes) == (True, True)
    notes = render_texts(EVERYTHING)["ringback/templates/NOTES.txt"]
    assert "WARNING" not in notes
    assert "https://hooks.example.com/webhooks" in notes


def test_long_names_stay_within_the_limit_of_kubernetes() -> None:
    for each in render(EVERYTHING, name="a" * 53):
        assert len(each["metadata"]["name"]) <= 63, each["kind"]
    assert load(CHART).name == "ringback"
