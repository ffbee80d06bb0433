"""Reading what `/metrics` answers, as Prometheus does."""

import httpx
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """One answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.text = text
        families = [each for each in text_string_to_metric_families(text) if not each.name.endswith("_created")]
        self.samples = [sample for family in families for sample in family.samples]
        self.metrics = {each.name + ("_total" if each.type == "counter" else "") for each in families}

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample with these labels; None where there is none."""
        found = [each.value for each in self.samples if (each.name, each.labels) == (name, labels)]
        assert len(found) <= 1, f"{name} {labels} is there {len(found)} times"
        return found[0] if found else None

    def sum(self, name: str, **labels: str) -> float:
        """The sum of all samples that have these labels."""
        return sum(
            each.value for each in self.samples if each.name == name and labels.items() <= dict(each.labels).items()
        )

    def labels(self, name: str, label: str) -> set[str]:
        """All values of a label."""
        return {each.labels[label] for each in self.samples if each.name == name}


def scraped(port: int) -> Scrape:
    """Scrape a port of this machine, over a connection of its own."""
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=5)
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)
