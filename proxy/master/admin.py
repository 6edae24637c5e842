"""/admin: who asks, what for, what came of it. Each change, and whoever is not let in, is a line in the log."""

import hmac
import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from aiohttp import web

from proxy.master.admin_document import document
from proxy.master.admin_exchange import PARTIAL, Answer, Asked, Refused, outage, sentence, without_keys
from proxy.master.admin_models import ErrorAnswer, Given, Mistake
from proxy.master.admin_reading import parse_body, parse_query, read_body
from proxy.master.admin_routes import DOCUMENT, Route, routes
from proxy.master.control import Control
from proxy.runtime import keys
from proxy.store.down import StoreDown
from proxy.store.records import NotFound, RecordConflict
from proxy.telemetry import log
from proxy.wire.fields import shown

LOCAL = "local"
"""Who asks over the control socket: whoever may open its file."""

_NOBODY = "unknown"
_UNKNOWN = "unknown"
_OTHER_METHOD = "other_method"
_HEADERS = {"server": "segue", "cache-control": "no-store"}
_OUTCOMES = {200: "ok", 201: "ok", PARTIAL: "partial", 401: "denied", 403: "denied", 500: "failed", 503: "unavailable"}


class _Found(NamedTuple):
    """A route, and what stands in the path for its variable step."""

    route: Route
    name: str


class Admin:
    """`clock`: unix seconds."""

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        self._control = control
        self._routes = routes(control, clock)
        self._document = document(self._routes)

    async def answer(self, request: web.BaseRequest, is_local: bool) -> web.Response:
        """`is_local`: it came over the control socket."""
        path = request.rel_url.raw_path.rstrip("/")
        found = self._find("GET" if request.method == "HEAD" else request.method, path)
        actor, subject, status = _NOBODY, found.name if found is not None else "", 500
        details = {} if is_local else {"peer": request.remote or ""}
        try:
            actor = LOCAL if is_local else self._actor(request)
            if found is None:
                return self._without_route(request, path)
            body = await read_body(request)
            subject = found.name or _named(body, found.route.about)
            asked = _read(request, found, body)
            if found.route.method == "PATCH":
                details["fields"] = ", ".join(sorted(asked.body.model_fields_set))
            answered = await _act(found.route, asked)
            subject = answered.subject or subject
            details |= answered.details
            status = PARTIAL if answered.is_partial else found.route.status
            return _json(answered.body.model_dump_json(), status)
        except Refused as refused:
            status = refused.status
            return _refusal(refused)
        finally:
            if actor == _NOBODY or (found is not None and found.route.changes):
                outcome = _OUTCOMES.get(status, "refused")
                self._write_down(actor, self._action(found, path), subject, outcome, details)

    def _find(self, method: str, path: str) -> _Found | None:
        for route in self._routes:
            name = route.match(path) if route.method == method else None
            if name is not None:
                return _Found(route, name)
        return None

    def _actor(self, request: web.BaseRequest) -> str:
        """The id of the admin key that was presented. Tenants' keys open nothing here. Raises Refused."""
        snapshot = self._control.snapshot
        if not snapshot.admin_keys:
            raise Refused(
                403,
                "There are no admin keys, so nobody is let in here. Make one with 'segue keys new --admin', put what "
                f"it prints under operations.admin_keys in {self._control.file_name or 'a configuration file'}, and "
                "reload; or use the control socket, as 'segue status' and 'segue keys' do on this machine.",
            )
        scheme, _, presented = request.headers.get("authorization", "").strip().partition(" ")
        presented = presented.strip()
        if scheme.lower() == "bearer" and presented.isascii():
            digest = keys.digest(snapshot.pepper, presented)
            key = snapshot.admin_keys.get(digest)
            if key is not None and hmac.compare_digest(key.digest, digest) and digest not in snapshot.keys:
                return key.id
        raise Refused(
            401, "Give an admin key of this instance: 'Authorization: Bearer sg-…'. Tenants' keys do not count."
        )

    def _without_route(self, request: web.BaseRequest, path: str) -> web.Response:
        """The document, or a refusal that says what there is instead."""
        allowed = [route.method for route in self._routes if route.match(path) is not None]
        allowed += ["GET"] * (path == DOCUMENT)
        if path == DOCUMENT and request.method in ("GET", "HEAD"):
            return _json(self._document, 200)
        if allowed:
            there = ", ".join(allowed + ["HEAD"] * ("GET" in allowed))
            answer = _refusal(Refused(405, f"This method is not allowed here. Use {there}."))
            answer.headers["allow"] = there
            return answer
        paths = dict.fromkeys([*(route.path for route in self._routes), DOCUMENT])
        return _refusal(Refused(404, f"Unknown path. What exists: {', '.join(paths)}."))

    def _action(self, found: _Found | None, path: str) -> str:
        if found is not None:
            return found.route.action
        if path == DOCUMENT:
            return "show_document"
        return _OTHER_METHOD if any(route.match(path) is not None for route in self._routes) else _UNKNOWN

    def _write_down(self, actor: str, action: str, subject: str, outcome: str, details: Mapping[str, str]) -> None:
        about = shown(without_keys(subject), 128)
        log.note("audit", actor=actor, action=action, subject=about, outcome=outcome, **details)
        self._control.acted(action, outcome)


def _named(body: bytes, field: str) -> str:
    """What the body is about, told even of one that will be refused; "" where it does not say."""
    try:
        given = json.loads(body) if field else None
    except (ValueError, RecursionError):
        return ""
    name = given.get(field) if isinstance(given, dict) else None
    return name if isinstance(name, str) else ""


def _read(request: web.BaseRequest, found: _Found, body: bytes) -> Asked[Given, Given]:
    """Raises Refused."""
    route, name = found
    return Asked(name, parse_query(route.query, request.query), parse_body(route.body, body))


async def _act(route: Route, asked: Asked[Given, Given]) -> Answer:
    """Raises Refused."""
    try:
        return await route.act(asked)
    except RecordConflict as conflict:
        raise Refused(404 if isinstance(conflict, NotFound) else 409, sentence(conflict)) from None
    except StoreDown as down:
        remedy = " Look whether it was done before you do it again." if route.changes else ""
        raise Refused(503, f"{outage(down)}{remedy}") from None


def _json(body: str | bytes, status: int) -> web.Response:
    content = body.encode() if isinstance(body, str) else body
    return web.Response(body=content, status=status, content_type="application/json", headers=_HEADERS)


def _refusal(refused: Refused) -> web.Response:
    mistake = Mistake(message=without_keys(str(refused)), field=refused.field)
    if refused.details:
        mistake.details = [without_keys(detail) for detail in refused.details]
    answer = _json(ErrorAnswer(error=mistake).model_dump_json(exclude_unset=True), refused.status)
    match refused.status:
        case 401:
            answer.headers["www-authenticate"] = "Bearer"
        case 503:
            answer.headers["retry-after"] = "1"
        case 408 | 413:
            answer.force_close()
    return answer
