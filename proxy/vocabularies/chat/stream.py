"""One client stream: its ids, its envelope, its notices, and the rule that nothing follows the end."""

from typing import Any

from proxy.canonical import ids
from proxy.canonical.account import Exhausted, Hop
from proxy.canonical.events import StopReason
from proxy.errors import ProxyError
from proxy.vocabularies.chat.schema import ENCODER
from proxy.wire.codec import Head
from proxy.wire.error_object import error_object
from proxy.wire.sse import comment_bytes, frame_bytes

_DONE = b"data: [DONE]\n\n"
_PING = comment_bytes(b"ping")
_REASONS = {
    StopReason.LENGTH: b"length",
    StopReason.CONTENT_FILTER: b"content_filter",
}


class ChatStream:
    """What the encoder and the relay have in common. `created` may change until the first chunk is out."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.id = answer_id(head)
        self.created = head.created
        self.wants_usage = head.request.stream_usage
        self.opened = False
        self.opened_by_us = False
        self.ended = False
        self.spoken: list[int] = []  # the choices whose role is out
        self._kept: list[bytes] = []

    def envelope(self) -> bytes:
        """The beginning of every chunk, up to the list of choices."""
        return b'{"id":"%b","object":"chat.completion.chunk","created":%d,"model":%b,"choices":[' % (
            self.id.encode(),
            self.created,
            ENCODER.encode(self.head.request.model),
        )

    def closing(self) -> bytes:
        """The rest of every chunk but the usage chunk."""
        return b'],"usage":null}' if self.wants_usage else b"]}"

    def delta(self, choice: int, delta: bytes, reason: bytes = b"null") -> bytes:
        """A chunk's JSON with one choice."""
        return b'%b{"index":%d,"delta":%b,"logprobs":null,"finish_reason":%b}%b' % (
            self.envelope(),
            choice,
            delta,
            reason,
            self.closing(),
        )

    def finish(self, choice: int, reason: bytes) -> bytes:
        """The JSON of the chunk that ends a choice."""
        return self.delta(choice, b"{}", b'"%b"' % reason)

    def usage(self, usage: bytes) -> bytes:
        """The JSON of the usage chunk."""
        return b'%b],"usage":%b}' % (self.envelope(), usage)

    def opening(self) -> bytes:
        if self.opened or self.ended:
            return b""
        self.opened_by_us = True
        return self.role(0) + self.mark_opened()

    def mark_opened(self) -> bytes:
        """The opening is out; returns the notices that waited for it."""
        self.opened = True
        kept, self._kept = b"".join(self._kept), []
        return kept

    def role(self, choice: int) -> bytes:
        """The first chunk of a choice."""
        self.spoken.append(choice)
        return frame_bytes(self.delta(choice, b'{"role":"assistant","content":""}'))

    def notice(self, notice: Hop | Exhausted) -> bytes:
        if self.ended or self.head.notices == "none":
            return b""
        name = "fallback_start" if isinstance(notice, Hop) else "fallback_exhausted"
        if self.head.notices == "events":
            # Chunk-shaped, since clients read every frame as one: `choices` is empty, the rest are extra members.
            members = ENCODER.encode({"segue_event": name, **notice.members()})
            written = frame_bytes(b"%b],%b" % (self.envelope(), members[1:]), b"segue:" + name.encode())
        else:
            written = comment_bytes(b"segue " + ENCODER.encode({"event": name, **notice.members()}))
        if self.opened:
            return written
        self._kept.append(written)
        return b""

    def void(self, hop: Hop) -> bytes:
        """The chunk that takes back everything so far: every choice that has begun begins anew in it."""
        again = b",".join(
            b'{"index":%d,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}' % choice
            for choice in sorted(self.spoken)
        )
        mark = ENCODER.encode({"segue": {"fallback_start": hop.members()}})
        return frame_bytes(b"%b%b%b,%b" % (self.envelope(), again, self.closing()[:-1], mark[1:]))

    def close(self, last: list[bytes]) -> bytes:
        """The last chunks' JSON as frames, the account in the very last, and [DONE]."""
        self.ended = True
        account = b',"segue":%b}' % ENCODER.encode(self.head.account.member())
        last = last or [self.delta(0, b"{}")]  # the provider said more after its last finish: an empty delta ends it
        last[-1] = last[-1].rstrip()[:-1] + account
        return b"".join(map(frame_bytes, last)) + _DONE

    def fail(self, error: ProxyError) -> bytes:
        if self.ended:
            return b""
        opening = self.opening()
        self.ended = True
        return opening + frame_bytes(ENCODER.encode({"error": error_object(error)}))

    def ping(self) -> bytes:
        return b"" if self.ended else _PING


def answer_id(head: Head) -> str:
    return ids.item_id("chatcmpl-", head.seed, 0)


def finish_reason(reason: StopReason, *, has_calls: bool, has_refusal: bool) -> bytes:
    """The wire's word. A refusal without words is a classifier's doing, hence content_filter; one in the model's own
    words is an ordinary end here."""
    if reason is StopReason.REFUSAL:
        return b"stop" if has_refusal else b"content_filter"
    if reason in (StopReason.TOOL_CALLS, StopReason.END) and has_calls:
        return b"tool_calls"
    return _REASONS.get(reason, b"stop")


def annotation(citation: Any) -> dict[str, Any] | None:
    """A url_citation; None for sources without an address, which this wire cannot name."""
    if citation.url is None:
        return None
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": citation.start or 0,
            "end_index": citation.end or 0,
            "url": citation.url,
            "title": citation.title,
        },
    }
