"""The Helm chart, rendered by Helm's own library."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "ringback"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
METADATA: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())

EVERYTHING: dict[str, Any] = {
    "dashboard": {"enabled": True},
    "ingress": {"autoscaling": {"enabled": True}, "extraEnv": [{"name": "PYTHONWARNINGS", "value": "error"}]},
    "worker": {
        "autoscaling": {"enabled": True},
        "extraEnv": [{"name": "DATABASE", "valueFrom": {"secretKeyRef": {"name": "database", "key": "url"}}}],
        "extraVolumes": [{"name": "certificates", "secret": {"secretName": "redis-ca"}}],
        "extraVolumeMounts": [{"name": "certificates", "mountPath": "/certificates", "readOnly": True}],
        "podAnnotations": {"example.com/team": "messaging"},
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
    },
    "httpRoute": {"parentRefs": [{"name": "public", "namespace": "gateways"}], "hostnames": ["hooks.example.com"]},
    "kubernetesIngress": {
        "enabled": True,
        "className": "nginx",
        "hosts": ["hooks.example.com"],
        "tls": [{"hosts": ["hooks.example.com"], "secretName": "hooks-tls"}],
    },
    "files": {"my_handlers.py": 'router = "{{ no template }}"\n', "policy.toml": "[fallback]\n"},
    "settings": {
        "HANDLERS": "my_handlers:router",
        "RINGBACK_CONCURRENCY": 1000,
        "RINGBACK_DRY_RUN": True,
        "RINGBACK_POLICY": "/app/policy.toml",
        "RINGBACK_PUBLIC_URL": "https://hooks.example.com/webhooks",
    },
    "secretRefs": {"REDIS_URL": {"name": "redis", "key": "url"}},
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "networkPolicy": {
        "webhooksFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}}}],
        "dashboardFrom": [{"podSelector": {}}],
        "redisTo": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True},
}
"""Values that turn everything on."""


def render(values: dict[str, Any] | None = None, name: str = "hooks", chart: Path = CHART) -> list[dict[str, Any]]:
    """Return the objects of a release in the namespace `prod`. A value that the schema refuses raises an error."""
    texts = render_texts(values, name, chart)
    manifests = [text for path, text in texts.items() if path.endswith(".yaml")]
    return [each for text in manifests for each in yaml.safe_load_all(text) if each]


def render_texts(values: dict[str, Any] | None = None, name: str = "hooks", chart: Path = CHART) -> dict[str, str]:
    loaded = load(chart)
    loaded.validate_schema(values or {})
    texts: dict[str, str] = loaded.render(values or {}, name=name, namespace="prod")
    return texts


@cache
def load(chart: Path) -> Any:
    return pytest.importorskip("helm_python").Chart.load(chart)


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind, by the part of their name after that of the release."""
    chosen = [each for each in objects if each["kind"] == kind]
    return {each["metadata"]["name"].removeprefix("hooks-ringback").lstrip("-"): each for each in chosen}


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The specification of each pod, by its role."""
    deployments = {name: each["spec"]["template"]["spec"] for name, each in of_kind(objects, "Deployment").items()}
    return deployments | {name: each["spec"] for name, each in of_kind(objects, "Pod").items()}


def environment(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables of a pod's container, by name."""
    [container] = pod["containers"]
    names = [each["name"] for each in container["env"]]
    assert len(names) == len(set(names))
    return {each["name"]: each for each in container["env"]}
