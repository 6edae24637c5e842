"""An explanation as lines of a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.cli.explanation import Explanation, Kept, RouteSettings, can_follow
from proxy.cli.tables import columns

_CHOICES = {
    "least_loaded": "first if the fewest attempts for its weight run there",
    "lowest_latency": "first if an answer can be expected there soonest",
    "affinity": "its place in the step is the mark's",
}


def lines(told: Explanation) -> Iterator[str]:
    yield f"{told.model}: {_asker(told)}{f', body read as {told.read_as}' if told.read_as else ''}"
    if told.refused is not None:
        param = f" (param: {told.refused.param})" if told.refused.param else ""
        yield f"\nthe API answers {told.refused.status}{param}"
        yield f"  {told.refused.message}"
    if told.candidates:
        yield "\nasked, in this order" + (
            " (equal numbers: drawn anew for each request)" if _has_draws(told.candidates) else ""
        )
        for candidate in told.candidates:
            yield from _candidate(candidate)
    if told.left_out:
        yield "\nleft out"
        yield from columns([(each.target, f"{each.param}: {each.message}") for each in told.left_out], "  ")
    if told.route is not None:
        yield "\nthe route"
        yield from columns(list(_route(told.route, told.candidates)), "  ")
    if told.notes:
        yield ""
        yield from told.notes


def _asker(told: Explanation) -> str:
    if told.key is not None:
        return f"key {told.key} of tenant {told.tenant}"
    is_rejected = told.refused is not None and told.refused.status == 401
    return "a key that opens nothing" if is_rejected else "whoever may ask for it"


def _has_draws(candidates: list[Kept]) -> bool:
    return len({each.rank for each in candidates}) < len(candidates)


def _candidate(kept: Kept) -> Iterator[str]:
    window = f", {kept.context_window:,} tokens" if kept.context_window else ""
    yield f"  {kept.rank}. {kept.target} ({kept.vocabulary}{window})"
    yield from columns(list(_facts(kept)), "       ")


def _facts(kept: Kept) -> Iterator[tuple[str, str]]:
    if kept.thought_before:
        yield "place", "before others: it can read the reasoning that the request sends back"
    if kept.share is not None:
        yield (
            "place",
            f"first for {_percent(kept.share)} of the requests" if kept.share else "after the others of its step",
        )
    elif kept.chosen_by in _CHOICES:
        yield "place", _CHOICES[kept.chosen_by]
    if kept.breaker is not None:
        yield "breaker", _standing(kept.breaker)
    if kept.credential is not None and _is_unwell(kept.credential):
        yield "credential", f"{kept.provider}: {_standing(kept.credential)}"
    yield "opens", _opening(kept.breaker_settings)
    yield "timeouts", _timeouts(kept.timeouts)
    if kept.concurrency is not None:
        yield "at once", f"{kept.concurrency['limit']}, and {kept.concurrency['queue']} may wait for a place"
    for action in ("dropped", "changed"):
        params = [each["param"] for each in kept.drops if each["action"] == action]
        if params:
            yield action, ", ".join(params)


def _standing(breaker: Mapping[str, Any]) -> str:
    detail = f" ({breaker['detail']})" if breaker["detail"] else ""
    wait = f", passed over for {_seconds(breaker['retry_in_seconds'])}" if breaker["retry_in_seconds"] else ""
    return f"{breaker['state']}{detail}{wait}"


def _is_unwell(breaker: Mapping[str, Any]) -> bool:
    return bool(breaker["state"] != "closed" or breaker["detail"])


def _opening(breaker: Mapping[str, float]) -> str:
    run, volume = f"{breaker['consecutive_failures']:g} failures in a row", f"{breaker['minimum_volume']:g}"
    rate = f"{_percent(breaker['failure_rate'])} of at least {volume} in {_seconds(breaker['window_seconds'])}"
    span = f"{_seconds(breaker['open_seconds'])}, doubling up to {_seconds(breaker['longest_open_seconds'])}"
    return f"after {run}, or {rate}; for {span}"


def _timeouts(timeouts: Mapping[str, float]) -> str:
    told = [
        f"{word.removesuffix('_seconds').replace('_', ' ')} {_seconds(timeouts[word])}"
        for word in ("connect_seconds", "headers_seconds", "first_token_seconds", "idle_seconds")
    ]
    least = timeouts["least_characters_per_second"]
    if least:
        told.append(f"at least {least:g} characters/s over {_seconds(timeouts['rate_window_seconds'])}")
    return ", ".join(told)


def _route(route: RouteSettings, candidates: list[Kept]) -> Iterator[tuple[str, str]]:
    first = f", of which the first candidate has {_seconds(route.first_slice)} to begin" if candidates else ""
    yield "deadline", f"{_seconds(route.deadline)} for everything{first}"
    yield "retries", _retries(route.retries)
    yield "hedging", _hedging(route.hedging, candidates)
    yield "mid-stream", _midstream(route, can_follow(candidates))
    yield "affinity", route.affinity
    yield "announce", route.announce
    if route.on_empty_answer == "retry":
        yield "empty answer", "is a failure: asked for again, then of the next candidate"
    yield (
        "content filter",
        "the next candidate is asked" if route.on_content_filter == "next" else "its refusal is final",
    )


def _retries(retries: Mapping[str, float]) -> str:
    if not retries["same_target"]:
        return "none at the same target"
    longest = _seconds(retries["longest_wait_seconds"])
    first = _seconds(min(retries["first_wait_seconds"], retries["longest_wait_seconds"]))
    tries = "try" if retries["same_target"] == 1 else "tries"
    more = f"{retries['same_target']:g} more {tries} at the same target"
    return f"{more}, the first after up to {first}; a provider may ask for up to {longest}"


def _hedging(hedging: Mapping[str, Any] | None, candidates: list[Kept]) -> str:
    if hedging is None:
        return "never"
    if len(candidates) < 2:
        return "never: there is no second candidate"
    after, share = hedging["after_seconds"], hedging["share"]
    when = (
        f"after {_seconds(after)}" if isinstance(after, float) else "once 95 % of a target's answers would have begun"
    )
    return f"the next candidate is asked too {when}, for at most {_percent(share)} of the requests"


def _midstream(route: RouteSettings, following: list[str]) -> str:
    """What becomes of a text that breaks; `restart` is a client's own wish, or the domain vocabulary's."""
    able = f"can go on: {', '.join(following)}" if following else "nobody could go on"
    if route.midstream == "fail":
        return "fail"
    if route.midstream == "restart":
        return f"restart for clients that bear it; for others {route.text_broken} ({able})"
    if route.text_broken == "continue":
        return f"continue ({able})"
    return f"continue, but what this asks for would fail ({able if not following else 'not one plain text'})"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.3f}".rstrip("0").rstrip(".") + " s"
