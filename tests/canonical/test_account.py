"""The `segue` member and the fallback notices, as contract §2 and §3 word them."""

from proxy.canonical.account import Account, AttemptRecord, Exhausted, Hop, Warning


def test_the_member_tells_who_served_and_what_was_left_out():
    account = Account()
    account.attempts.append(AttemptRecord("a", "failed", "server_error", status=500, elapsed_ms=3))
    account.warnings.append(Warning("seed", "dropped"))
    account.served_by = "b"
    assert account.member() == {
        "served_by": "b",
        "attempts": [{"model": "a", "outcome": "failed", "reason": "server_error", "status": 500, "elapsed_ms": 3}],
        "quota": {"decision": "allow", "warnings": []},
        "warnings": [{"param": "seed", "action": "dropped"}],
    }
    assert Account().attempts == []


def test_a_hop_leaves_out_what_it_does_not_know():
    assert list(Hop("a", "b", "rate_limit", 1, 5).members()) == [
        "from_model",
        "to_model",
        "reason",
        "attempt",
        "discard",
        "elapsed_ms",
    ]
    full = Hop("a", "b", "network_error", 2, 5, detail="ttft_timeout", status=504, discard=True).members()
    assert (full["detail"], full["status"], full["discard"]) == ("ttft_timeout", 504, True)


def test_exhausted_lists_every_attempt():
    attempts = (AttemptRecord("a", "failed", "rate_limit", status=429), AttemptRecord("b", "skipped", "unknown"))
    assert Exhausted(("a", "b"), "nobody", attempts).members() == {
        "models_tried": ["a", "b"],
        "final_error": "nobody",
        "attempts": [
            {"model": "a", "reason": "rate_limit", "status": 429, "elapsed_ms": 0},
            {"model": "b", "reason": "unknown", "elapsed_ms": 0},
        ],
    }
