"""docs/operations.md names every metric there is, with its labels, and no other."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from proxy.telemetry.merging import exposition
from tests.telemetry.test_metrics import shown, used, used_master

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
NAMED = re.compile(r"(segue_[a-z_]+)(?:\{([a-z_,]+)\})?")


def declared() -> dict[str, set[str]]:
    families = text_string_to_metric_families(exposition(shown(used(), used_master())).decode())
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: {
            label for sample in family.samples for label in sample.labels if label != "le"
        }
        for family in families
    }


def documented(page: str) -> dict[str, set[str]]:
    return {name: set(filter(None, labels.split(","))) for name, labels in NAMED.findall(page)}


def test_every_metric_is_documented_and_no_other():
    assert documented(PAGE.read_text("utf-8")) == declared()


def test_the_page_is_read_as_it_is_written():
    assert documented("`segue_a_total{x,y}`: ok, `segue_b`") == {"segue_a_total": {"x", "y"}, "segue_b": set()}
