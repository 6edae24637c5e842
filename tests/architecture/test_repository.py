"""What must never be in the repository, and what must be in one place of it."""

import ast
import re

import pytest

from tests.architecture.source import Module, files, module, modules, strings, text

# Taken apart, so that this file does not hold what it forbids.
MACHINE = re.compile(r"(?<![\w.~-])/" + r"(?:wor" + r"k|roo" + r"t)(?![\w-])")
REGISTRY = re.compile(r"(?:pypi|pythonhosted|npm" + r"js|yarnpkg)\.(?:org|com)")
METRICS = "proxy/telemetry/metrics.py"
METRIC_CLASSES = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}


def matches(pattern: re.Pattern[str], path: str, content: str) -> list[str]:
    return [f"{path}:{number}" for number, line in enumerate(content.splitlines(), 1) if pattern.search(line)]


def metric_classes_imported(found: Module) -> list[str]:
    return [
        f"{found.path}:{node.lineno} {alias.name}"
        for node in ast.walk(found.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
        for alias in node.names
        if alias.name in METRIC_CLASSES
    ] + [
        f"{found.path}:{node.lineno} {node.attr}"
        for node in ast.walk(found.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in METRIC_CLASSES
        and isinstance(node.value, ast.Name)
        and node.value.id == "prometheus_client"
    ]


def declared(found: Module) -> set[str]:
    """The names of the metrics a module declares: the strings of its calls that look like one."""
    return {
        argument.value
        for node in ast.walk(found.tree)
        if isinstance(node, ast.Call)
        for argument in node.args[:2]
        if isinstance(argument, ast.Constant) and re.fullmatch(r"segue_[a-z_]+", str(argument.value))
    }


def metrics_named(found: Module, metrics: set[str]) -> list[str]:
    return [f"{found.path}:{node.lineno} {node.value}" for node in strings(found.tree) if node.value in metrics]


def test_no_lock_with_addresses():
    assert "uv.lock" not in files()


def test_no_path_of_one_machine():
    assert [problem for path in files() for problem in matches(MACHINE, path, text(path))] == []


def test_no_registry_address():
    assert [problem for path in files() for problem in matches(REGISTRY, path, text(path))] == []


def test_metrics_are_declared_in_one_file():
    elsewhere = [found for found in modules("proxy") if found.path != METRICS]
    metrics = set().union(*(declared(found) for found in modules("proxy") if found.path == METRICS))
    assert [problem for found in elsewhere for problem in metric_classes_imported(found)] == []
    assert [problem for found in elsewhere for problem in metrics_named(found, metrics)] == []


@pytest.mark.parametrize("line", ["cd /{}/main", '"/{}"', "see file:///{}/x"])
@pytest.mark.parametrize("folder", ["wor" + "k", "roo" + "t"])
def test_a_machines_path_is_noticed(line: str, folder: str):
    assert matches(MACHINE, "README.md", "fine\n" + line.format(folder)) == ["README.md:2"]
    assert matches(MACHINE, "README.md", f"tests/{folder}/x, /{folder}ing, ~/{folder}") == []


@pytest.mark.parametrize("host", ["pypi" + ".org", "files.python" + "hosted.org", "registry.npm" + "js.org"])
def test_a_registrys_address_is_noticed(host: str):
    assert matches(REGISTRY, "x.lock", f"url = https://{host}/simple") == ["x.lock:1"]


def test_a_stray_metric_is_noticed():
    imports = "from prometheus_client import Counter, generate_latest\nx = prometheus_client.Gauge('a', 'b')"
    assert metric_classes_imported(module(imports)) == ["proxy/sample.py:1 Counter", "proxy/sample.py:2 Gauge"]
    metrics = declared(module("requests = Counter('segue_requests_total', 'Requests', ['route'])"))
    assert metrics == {"segue_requests_total"}
    assert metrics_named(module("x = registry.get('segue_requests_total')"), metrics) != []
