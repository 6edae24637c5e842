"""The two ways an answer crosses the proxy: translated event by event, or its own frames with the listed rewrites."""

from typing import Protocol

from proxy.canonical.events import Event, Failed
from proxy.errors import Cause, UpstreamFault
from proxy.relay.sequencer import Sequencer
from proxy.routing.scrub import scrub
from proxy.wire.codec import Encoder
from proxy.wire.decoder import BROKEN_FRAME, Step


class Writer(Protocol):
    """Steps of one attempt as bytes for the client. `Failed` is never written: it is a decision, not a frame."""

    def write(self, steps: list[Step]) -> bytes: ...


class Transcode:
    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._sequencer = None if encoder.interleaves else Sequencer()

    def write(self, steps: list[Step]) -> bytes:
        events: list[Event] = [event for step in steps for event in step.events if type(event) is not Failed]
        if self._sequencer is not None:
            events = self._sequencer.sequence(events)
        return self._encoder.encode(events)


class PassThrough:
    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def write(self, steps: list[Step]) -> bytes:
        """Raises UpstreamFault where a frame that decoded well cannot be taken apart: decoding looks at less of it."""
        try:
            return self._encoder.relay(steps)
        except BROKEN_FRAME as broken:
            message = f"The provider's answer broke: a frame could not be read: {scrub(str(broken))}."
            raise UpstreamFault(Cause.MALFORMED, message, detail="malformed") from broken
