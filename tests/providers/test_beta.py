"""Only known beta values go upstream."""

from proxy.providers.beta import KNOWN, allowed


def test_known_values_pass_in_order_and_once():
    headers = ["interleaved-thinking-2025-05-14, context-1m-2025-08-07", "context-1m-2025-08-07"]
    assert allowed(headers) == ["interleaved-thinking-2025-05-14", "context-1m-2025-08-07"]


def test_unknown_values_and_the_operators_account_are_left_out():
    assert allowed(["files-api-2025-04-14,oauth-2025-04-20, made-up-2026-01-01,,"]) == []
    assert allowed([]) == []


def test_values_are_well_formed():
    assert all(value == value.strip().lower() and value[-1].isdigit() for value in KNOWN)
