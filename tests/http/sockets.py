"""A client that writes and reads bytes, for what no HTTP library would send."""

import json
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.e2e.harness import Stage


class Reply(NamedTuple):
    """Header names in lower case; `body` without its chunked framing."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection straight to Segue, without the tap. `patience` in seconds for every read."""

    def __init__(self, stage: Stage, patience: float = 5.0, receive_buffer: int | None = None) -> None:
        host, _, port = stage.direct_url.removeprefix("http://").partition(":")
        self.stage = stage
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(patience)
        self._socket.connect((host, int(port)))
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        self._socket.close()

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    def request(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        content: bytes = b"",
        version: str = "1.1",
        **headers: str,
    ) -> bytes:
        """The bytes of a request with the stage's key; a header's underscores are dashes."""
        given = {"host": "segue.test", "authorization": f"Bearer {self.stage.key}"}
        if content:
            given["content-length"] = str(len(content))
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in given.items() if value]
        return "\r\n".join([f"{method} {path} HTTP/{version}", *lines, "", ""]).encode() + content

    def more(self) -> bytes:
        """Whatever comes next; empty at the end of the connection."""
        if self._unread:
            found, self._unread = self._unread, b""
            return found
        try:
            return self._socket.recv(65536)
        except ConnectionResetError:
            return b""

    def until(self, mark: bytes) -> bytes:
        """Everything up to and including `mark`; what lies behind it stays for later."""
        found = b""
        while mark not in found:
            content = self.more()
            if not content:
                return found
            found += content
        end = found.index(mark) + len(mark)
        self._unread = found[end:] + self._unread
        return found[:end]

    def rest(self) -> bytes:
        found = b""
        while content := self.more():
            found += content
        return found

    def reply(self, method: str = "POST") -> Reply:
        """One whole answer."""
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        if method == "HEAD" or status in (204, 304):
            return Reply(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, self._chunks())
        if "content-length" not in headers:
            return Reply(status, headers, self.rest())
        return Reply(status, headers, self._exactly(int(headers["content-length"])))

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.until(b"\r\n"), 16):
            found += self._exactly(size)
            self._exactly(2)
        self._exactly(2)
        return found

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            content = self.more()
            assert content, "the connection closed early"
            found += content
        self._unread = found[count:] + self._unread
        return found[:count]


def question(stream: bool = False, said: str = "Hi there", **more: Any) -> bytes:
    """A chat request as bytes."""
    turns = [{"role": "user", "content": said}]
    return json.dumps({"model": Stage.model, "messages": turns, "stream": stream, **more}).encode()


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether something elsewhere comes true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
