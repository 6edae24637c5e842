"""The two ways an answer crosses the proxy: translated event by event, or its own frames with the listed rewrites."""

from typing import Protocol

from proxy.canonical.events import Event, Failed
from proxy.errors import Cause, UpstreamFault
from proxy.relay.sequencer import Sequencer
from proxy.routing.midstream import Sent
from proxy.routing.scrub import scrub
from proxy.wire.codec import Encoder, failure_of
from proxy.wire.decoder import BROKEN_FRAME, Step


class Writer(Protocol):
    """Steps of one attempt as bytes for the client. `Failed` is never written: it is a decision, not a frame."""

    def write(self, steps: list[Step]) -> bytes: ...


class Transcode:
    """`sent`: where to note what was written, if anybody wants to know. `is_open`: a block that goes on."""

    def __init__(self, encoder: Encoder, sent: Sent | None = None, is_open: int | None = None) -> None:
        self._encoder = encoder
        self._sequencer = None if encoder.interleaves else Sequencer(is_open)
        self._sent = sent

    def write(self, steps: list[Step]) -> bytes:
        events: list[Event] = [event for step in steps for event in step.events if type(event) is not Failed]
        if self._sequencer is not None:
            events = self._sequencer.sequence(events)
        if self._sent is not None:
            self._sent.add(events)
        return self._encoder.encode(events)


class PassThrough:
    """`sent`: as in `Transcode`."""

    def __init__(self, encoder: Encoder, sent: Sent | None = None) -> None:
        self._encoder = encoder
        self._sent = sent

    def write(self, steps: list[Step]) -> bytes:
        """Raises UpstreamFault where a frame that decoded well cannot be taken apart: decoding looks at less of it."""
        try:
            wire = self._encoder.relay(steps)
        except BROKEN_FRAME as broken:
            if self._sent is not None:
                self._sent.is_certain = False
            message = f"The provider's answer broke: a frame could not be read: {scrub(str(broken))}."
            raise UpstreamFault(Cause.MALFORMED, message, detail="malformed") from broken
        if self._sent is not None:
            for step in steps:
                if failure_of(step.events) is None:  # a frame that ends in failure is not written
                    self._sent.add(step.events)
        return wire
