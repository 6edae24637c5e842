"""Talking to a running instance: over its control socket on this machine, or to its second port with an admin key."""

import http.client
import json
import os
import socket
from collections.abc import Mapping
from contextlib import closing
from typing import Annotated, Any, NamedTuple, NoReturn
from urllib.parse import quote, urlencode, urlsplit

import typer

from proxy.cli.files import fail, text_of
from proxy.runtime.places import all_control_sockets, control_sockets

KEY_VARIABLE = "SEGUE_ADMIN_KEY"
_PATIENCE = 30.0  # seconds; it answers within some three
_SOCKET = "unix://"
_PARTIAL = 207

Config = Annotated[
    str | None,
    typer.Option("-c", "--config", metavar="FILE", help="The instance on this machine that serves this file."),
]
Url = Annotated[
    str | None, typer.Option(metavar="URL", help="The instance's second port, or unix:// and its control socket.")
]
AdminKeyFile = Annotated[
    str | None, typer.Option(metavar="FILE", help=f"Holds the admin key for --url; otherwise {KEY_VARIABLE} does.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, whole.")]


class Refused(Exception):
    """The instance said no; the text says why."""


class Answer(NamedTuple):
    """`missing`: who has not acknowledged."""

    body: dict[str, Any]
    missing: tuple[str, ...]


class Instance:
    """One that runs. `socket_path` or `url`, not both; `key`: an admin key, for a URL."""

    def __init__(self, socket_path: str = "", url: str = "", key: str = "") -> None:
        self.place = f"{_SOCKET}{socket_path}" if socket_path else url
        self._socket_path = socket_path
        self._url = url
        self._key = key

    def ask(
        self, method: str, *steps: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """`steps`: of the path below /admin. Raises OSError, Refused."""
        path = "/".join(["/admin", *(quote(step, safe="") for step in steps)])
        headers = {"content-type": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        asked = f"{path}?{urlencode(query)}" if query else path
        content = json.dumps(body).encode() if body is not None else None
        try:
            with closing(self._connection()) as connection:
                connection.request(method, asked, content, headers)
                answer = connection.getresponse()
                return _read(answer.status, answer.read())
        except (http.client.HTTPException, UnicodeError) as error:
            raise OSError(None, f"no HTTP answer ({type(error).__name__})") from None

    def is_running(self) -> bool:
        """Whether somebody is behind its socket."""
        with closing(self._connection()) as connection:
            try:
                connection.connect()
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            except OSError:
                pass  # the question itself will say what is wrong
        return True

    def _connection(self) -> http.client.HTTPConnection:
        if self._socket_path:
            return _SocketConnection(self._socket_path)
        parts = urlsplit(self._url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=_PATIENCE)


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PATIENCE)
        self.sock.connect(self._path)


def _read(status: int, content: bytes) -> Answer:
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(f"status {status} and no JSON: is that Segue's second port?")
    if status >= 400:
        error = body.get("error")
        mistake = error if isinstance(error, dict) else {"message": f"status {status}"}
        raise Refused("\n".join([str(mistake.get("message")), *(mistake.get("details") or [])]))
    return Answer(body, tuple(body.get("missing", ())) if status == _PARTIAL else ())


def instances(config: str | None, url: str | None, admin_key_file: str | None) -> list[Instance]:
    """Those the options mean, of which some may not run. Ends the command if the options are contradictory."""
    if config is not None and url is not None:
        fail("give --config or --url, not both")
    if url is None:
        return [Instance(socket_path=str(path)) for path in control_sockets(config)]
    if url.startswith(_SOCKET):
        return [Instance(socket_path=url.removeprefix(_SOCKET))]
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) and not parts.query
    except ValueError:
        is_right = False
    if not is_right or parts.path.strip("/"):
        fail("a URL is written http://HOST:PORT, the second port's (9090), or unix:///PATH")
    key = text_of(admin_key_file).strip() if admin_key_file is not None else os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        fail(f"an admin key is needed for --url: use --admin-key-file, or set {KEY_VARIABLE}")
    if not (key.isascii() and key.isprintable()):
        fail("that is no admin key: it has characters that no key has")
    return [Instance(url=url, key=key)]


def everyone() -> list[Instance]:
    """All of this user's on this machine, of which some may not run."""
    return [Instance(socket_path=str(path)) for path in all_control_sockets()]


def running(among: list[Instance]) -> list[Instance]:
    return [instance for instance in among if instance.is_running()]


def put(
    instance: Instance,
    method: str,
    *steps: str,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
) -> Answer:
    """As `Instance.ask`. Whatever goes wrong ends the command, in words on standard error: status 2 if nobody answers,
    1 if the answer is no."""
    try:
        return instance.ask(method, *steps, query=query, body=body)
    except OSError as error:
        fail(f"cannot reach {instance.place}: {error.strerror or error}")
    except Refused as refused:
        typer.echo(f"segue: {refused}", err=True)
        raise typer.Exit(1) from None


class Client:
    """The one instance that the options mean; errors as of `put`."""

    def __init__(self, config: str | None, url: str | None, admin_key_file: str | None) -> None:
        self._config = config
        self._url = url
        self._candidates = instances(config, url, admin_key_file)

    def ask(
        self, method: str, *steps: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Answer:
        return put(self._running(), method, *steps, query=query, body=body)

    def _running(self) -> Instance:
        if self._url is not None:
            return self._candidates[0]
        found = running(self._candidates)
        if len(found) > 1:
            fail(f"several instances run; say which with --url: {', '.join(each.place for each in found)}")
        return found[0] if found else nobody(self._config)


def nobody(config: str | None) -> NoReturn:
    wanted = f"serves {config}" if config is not None else "was started in this directory without a file"
    fail(
        f"nothing runs: no instance of yours {wanted}; name its file with -c FILE, or its second port with --url URL "
        "('segue status' shows all of yours)"
    )


def finish(answer: Answer, lack: str = "done, but not acknowledged yet by") -> None:
    """Exit status 3 if somebody is missing."""
    if answer.missing:
        typer.echo(f"segue: {lack}: {', '.join(answer.missing)}", err=True)
        raise typer.Exit(3)


def show_json(body: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(body, ensure_ascii=False, indent=2))
