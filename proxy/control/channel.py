"""One end of the control channel: messages, each behind its length, over one end of a socket pair."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import msgspec

_LENGTH = 4  # bytes, big-endian
_LONGEST = 256 * 1024 * 1024
_encode = msgspec.msgpack.Encoder().encode

Heard = TypeVar("Heard")


class Channel(Generic[Heard]):
    """`send` never waits: whoever is too slow to read is found out by its own silence."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, decoder: msgspec.msgpack.Decoder[Heard]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decode = decoder.decode

    @classmethod
    async def over(cls, end: socket.socket, heard: msgspec.msgpack.Decoder[Heard]) -> "Channel[Heard]":
        """`heard`: of the messages that the other side sends."""
        reader, writer = await asyncio.open_unix_connection(sock=end)
        return cls(reader, writer, heard)

    def send(self, message: msgspec.Struct) -> None:
        if self._writer.is_closing():
            return
        encoded = _encode(message)
        self._writer.write(len(encoded).to_bytes(_LENGTH, "big") + encoded)

    async def has_room(self) -> None:
        """Returns once little of what was sent is still to be read by the other side, or that is gone."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def messages(self) -> AsyncIterator[Heard]:
        """Until the other side is gone. Raises ValueError for what is no message."""
        try:
            while True:
                length = int.from_bytes(await self._reader.readexactly(_LENGTH), "big")
                if length > _LONGEST:
                    raise ValueError(f"a message of {length} bytes was announced")
                yield self._decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def close(self) -> None:
        """What was sent still arrives, if the other side reads it while this process lives."""
        self._writer.close()

    async def closed(self) -> None:
        """Closes, and returns once all that was sent has left, or the other side is gone."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
