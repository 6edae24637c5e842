"""Which limits there are, one by one."""

from proxy.quotas.limits import NO_LIMITS, Amounts, Limit, Limits, Period, key_scope, route_scope


def test_no_limits_are_none():
    assert list(NO_LIMITS.of("tenant")) == []


def test_each_is_told_with_its_place_soonest_first():
    limits = Limits(
        requests=1,
        window_tokens=2,
        running=3,
        day=Period(Amounts(4, 5), Amounts(6, 7)),
        month=Period(premium=Amounts(credits=0)),
    )
    assert list(limits.of(key_scope("a"))) == [
        Limit("key:a", "running", 3),
        Limit("key:a", "requests", 1),
        Limit("key:a", "window_tokens", 2),
        Limit("key:a", "day", 4, "total", "tokens"),
        Limit("key:a", "day", 5, "total", "credits"),
        Limit("key:a", "day", 6, "premium", "tokens"),
        Limit("key:a", "day", 7, "premium", "credits"),
        Limit("key:a", "month", 0, "premium", "credits"),
    ]


def test_only_some_depend_on_the_answer():
    limits = Limits(requests=1, window_tokens=2, running=3, day=Period(Amounts(4)))
    assert [limit.kind for limit in limits.of(route_scope("r")) if limit.takes_output] == ["window_tokens", "day"]
