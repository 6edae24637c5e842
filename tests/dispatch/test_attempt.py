"""One attempt: where it commits, what it holds until then, which clock it misses, and that it frees its connection."""

import asyncio
import json
from typing import Any

import pytest

from proxy.canonical.events import Delta, Finished
from proxy.canonical.request import Request
from proxy.clock import Deadline
from proxy.dispatch import attempt as module
from proxy.dispatch.attempt import MOST_HELD_BYTES, MOST_HELD_STEPS, Attempt
from proxy.dispatch.time_limits import TimeLimits
from proxy.errors import Cause, UpstreamFault
from proxy.routing.candidates import Timeouts
from proxy.telemetry.clocks import Clocks
from tests.dispatch.toy import Answer, FakeTransport, Scripted, candidate, refusal, sse, target

STREAMING = Request("toy", "m", {}, stream=True)
WHOLE = Request("toy", "m", {})
JSON = "application/json"


class Try:
    """One attempt against one scripted answer."""

    def __init__(self, answer: Answer, **timeouts: float) -> None:
        self.transport = FakeTransport({"a": answer})
        limits = {"connect": 1.0, "headers": 1.0, "first_token": 1.0, "idle": 1.0} | timeouts
        self.attempt = Attempt(
            candidate(target("a", timeouts=Timeouts(**limits))), self.transport, Clocks(), TimeLimits()
        )

    async def commit(self, request: Request = STREAMING, within: float = 5.0, total: float = 30.0) -> "Attempt":
        deadline = Deadline(asyncio.get_running_loop().time() + total)
        await self.attempt.commit(request, {"x-forwarded": "yes"}, within, deadline)
        return self.attempt

    async def fault(self, request: Request = STREAMING, **limits: float) -> UpstreamFault:
        with pytest.raises(UpstreamFault) as caught:
            await self.commit(request, **limits)
        self.attempt.close()
        assert all(exchange.closed for exchange in self.transport.exchanges)
        return caught.value

    @property
    def exchange(self) -> Scripted:
        [exchange] = self.transport.exchanges
        return exchange

    @property
    def unread(self) -> list[Any]:
        return self.exchange.script


@pytest.mark.parametrize(
    "content", ["text:x", "refusal:x", "reasoning:x", "call:id:name", "hosted", "stop"], ids=lambda word: word
)
async def test_these_commit(content: str):
    tried = Try(Answer(sse("role"), sse(content), sse("text:unread")))
    attempt = await tried.commit()
    assert tried.unread == [sse("text:unread")]
    assert len(attempt.held) == 2
    attempt.close()


@pytest.mark.parametrize("quiet", ["role", "text:", "reasoning:", "call::name", "call:id:", "usage", "ping", "bad"])
async def test_these_do_not(quiet: str):
    tried = Try(Answer(sse(quiet), sse("text:x")))
    await tried.commit()
    assert tried.unread == []
    tried.attempt.close()


async def test_what_came_with_the_first_content_is_held_too():
    tried = Try(Answer(sse("role", "text:a", "text:b", "error:x"), sse("text:unread")))
    attempt = await tried.commit()
    assert len(attempt.held) == 4
    assert attempt.ended
    attempt.close()


async def test_the_sixty_fifth_step_is_not_waited_for():
    tried = Try(Answer(*[sse("ping")] * 100))
    attempt = await tried.commit()
    assert len(attempt.held) == MOST_HELD_STEPS
    assert len(tried.unread) == 100 - MOST_HELD_STEPS
    attempt.close()


async def test_no_more_than_a_quarter_of_a_mebibyte_is_held():
    half = sse("ping:" + "x" * (MOST_HELD_BYTES // 2))
    tried = Try(Answer(half, half, sse("text:unread")))
    await tried.commit()
    assert tried.unread == [sse("text:unread")]
    tried.attempt.close()


async def test_a_frame_larger_than_what_is_held_commits():
    piece = b"x" * (MOST_HELD_BYTES // 4)
    tried = Try(Answer(b"data: text:", *[piece] * 8, b"\n\n", sse("stop")))
    attempt = await tried.commit()
    said = [event for step in attempt.held for event in step.events]
    while not attempt.ended:
        said += [event for step in await attempt.more() for event in step.events]
    assert Delta(1, (piece * 8).decode()) in said
    attempt.close()


@pytest.mark.parametrize(
    ("answer", "cause", "detail"),
    [
        (Answer(sse("role", "error:")), Cause.EMBEDDED_ERROR, "error_event"),
        (Answer(sse("role"), sse("error:rate_limit_exceeded")), Cause.RATE_LIMITED, None),
        (Answer(sse("error:context_length_exceeded")), Cause.CONTEXT_OVERFLOW, None),
        (Answer(), Cause.EMPTY, "empty_response"),
        (Answer(b": comment\n\n"), Cause.EMPTY, "empty_response"),
        (Answer(sse("role", "text:")), Cause.TRUNCATED, "truncated"),
        (Answer(sse("bad", "bad")), Cause.MALFORMED, "malformed"),
        (Answer(b"<html>", content_type="text/html; charset=utf-8"), Cause.SERVER_ERROR, "html"),
        (Answer(b"welcome", content_type="text/plain"), Cause.EMPTY, "empty_response"),
        (Answer(b'{"status":"ok"}', content_type=JSON), Cause.MALFORMED, "malformed"),
        (Answer(b"[]", content_type=JSON), Cause.BAD_ANSWER, "malformed"),
        (Answer(b"[" * 100_000 + b"]" * 100_000, content_type=JSON), Cause.BAD_ANSWER, "malformed"),
        (Answer(b"", content_type=JSON), Cause.BAD_ANSWER, "malformed"),
        (Answer(UpstreamFault(Cause.TRUNCATED, "m", detail="truncated")), Cause.TRUNCATED, "truncated"),
        (refusal(429, retry_after="7"), Cause.RATE_LIMITED, None),
        (refusal(400), Cause.CALLERS_FAULT, None),
        (Answer(b"<html>", status=502, content_type="text/html"), Cause.SERVER_ERROR, None),
        (Answer(UpstreamFault(Cause.TRUNCATED, "m"), status=503), Cause.SERVER_ERROR, None),
        (Answer(status=307), Cause.SERVER_ERROR, None),
    ],
)
async def test_what_fails_before_content(answer: Answer, cause: Cause, detail: str | None):
    fault = await Try(answer).fault()
    assert (fault.cause, fault.detail) == (cause, detail)
    assert fault.retry_after == (7.0 if answer.headers else None)


@pytest.mark.parametrize(
    ("answer", "limits", "detail"),
    [
        (Answer(before=None), {"headers": 0.05}, "headers_timeout"),
        (Answer(None), {"first_token": 0.05}, "ttft_timeout"),
        (Answer(sse("role"), None), {"first_token": 0.05}, "ttft_timeout"),
    ],
)
async def test_each_phase_has_its_own_clock(answer: Answer, limits: dict[str, float], detail: str):
    fault = await Try(answer, **limits).fault()
    assert (fault.cause, fault.detail) == (Cause.TIMED_OUT, detail)


@pytest.mark.parametrize(
    ("answer", "detail"), [(Answer(before=None), "headers_timeout"), (Answer(None), "ttft_timeout")]
)
async def test_no_phase_outlasts_the_slice(answer: Answer, detail: str):
    fault = await Try(answer).fault(within=0.05)
    assert fault.detail == detail
    assert "0.05 seconds" in fault.message


async def test_first_content_may_take_longer_than_headers():
    tried = Try(Answer(0.1, sse("text:x")), headers=0.05)
    await tried.commit()
    assert tried.attempt.held
    tried.attempt.close()


async def test_a_document_may_use_its_whole_slice():
    tried = Try(Answer(0.1, b'{"says":["text:x","stop"]}', content_type=JSON), headers=0.05, first_token=0.05)
    attempt = await tried.commit(WHOLE)
    assert attempt.document is not None
    assert attempt.document.body == {"says": ["text:x", "stop"]}
    attempt.close()
    assert tried.exchange.closed == [1.0]


async def test_the_status_counts_even_if_the_error_never_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_ERROR_BODY_SECONDS", 0.05)
    fault = await Try(Answer(b'{"error":', None, status=429)).fault()
    assert fault.cause is Cause.RATE_LIMITED


async def test_a_document_in_place_of_a_stream_is_as_good():
    attempt = await Try(Answer(b'{"says":["text:x","stop"]}', content_type=JSON)).commit()
    assert not attempt.has_frames
    assert attempt.ended
    [step] = attempt.held
    assert step.frame is None
    assert isinstance(step.events[-1], Finished)
    attempt.close()


async def test_a_stream_in_place_of_a_document_is_no_answer():
    fault = await Try(Answer(sse("text:x", "stop"))).fault(WHOLE)
    assert fault.cause is Cause.BAD_ANSWER


async def test_only_a_whole_stream_gives_its_connection_back():
    whole, partial = Try(Answer(sse("text:x"), sse("stop"))), Try(Answer(sse("text:x"), sse("stop")))
    attempt = await whole.commit()
    await attempt.more()
    assert attempt.ended
    attempt.close()
    (await partial.commit()).close()
    assert (whole.exchange.closed, partial.exchange.closed) == ([1.0], [0.0])
    attempt.close()
    assert whole.exchange.closed == [1.0], "closing twice does nothing"


async def test_of_a_large_request_only_what_changed_is_written_anew():
    source = b'{"model": "m", "messages": [1.50,\t"\\u00e9"], "seed": 7}'
    tried = Try(Answer(sse("stop")))
    await tried.commit(Request("toy", "m", json.loads(source), stream=True, source=source))
    [call] = tried.transport.calls
    assert call.body == b'{"model":"a","messages":[1.50,\t"\\u00e9"],"seed":7}'


async def test_what_the_provider_is_sent():
    tried = Try(Answer(sse("stop")))
    await tried.commit()
    [call] = tried.transport.calls
    assert json.loads(call.body) == {"model": "a"}
    assert call.headers["authorization"] == "Bearer fake"
    assert call.headers["accept"] == "text/event-stream"
    assert call.headers["x-forwarded"] == "yes"
    assert tried.attempt.warnings[0].param == "seed"
    tried.attempt.close()


async def test_headers_go_to_the_same_vocabulary_only():
    tried = Try(Answer(b'{"says":["stop"]}', content_type=JSON))
    await tried.commit(Request("another", "m", {}))
    [call] = tried.transport.calls
    assert "x-forwarded" not in call.headers
    assert call.headers["accept"] == JSON
    tried.attempt.close()


async def test_waiting_for_the_provider_is_counted():
    tried = Try(Answer(0.05, sse("text:x"), 0.05, sse("stop")))
    attempt = await tried.commit()
    await attempt.more()
    assert 0.09 < attempt.waited < 2
    attempt.close()
