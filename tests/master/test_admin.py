"""/admin as a door: who is let in, what is said of a request nobody can obey, and what is written down."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.master.admin_reading import LIMIT
from proxy.master.reloading import Reloaded
from proxy.runtime import keys
from proxy.telemetry import log
from tests.master.instance import ADMIN, CONFIGURATION, PEPPER, TENANT, WITHOUT_ADMIN, Scene, playing, snapshot_of
from tests.runtime.sample import SECRET
from tests.store.servers import running


@pytest.fixture(autouse=True)
def _own_logging() -> None:
    log.configure("info")


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    with running() as server:
        async with playing(server) as found:
            yield found


_OF_EVERY_LINE = ("time", "level", "event")
MAIN = ("actor", "action", "subject", "outcome")


def audited(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The audit lines since the last look, without their time."""
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [
        {name: value for name, value in line.items() if name not in _OF_EVERY_LINE}
        for line in lines
        if line["event"] == "audit"
    ]


UNKNOWN = keys.compose("admin001", "b" * 32)


@pytest.mark.parametrize("key", [None, "", UNKNOWN, TENANT, ADMIN[:-1], ADMIN.upper(), "sg-admin001-ü"])
@pytest.mark.parametrize("path", ["/admin/status", "/admin/keys/ab12cd34/revoke", "/admin/nothing", "/admin"])
async def test_without_an_admin_key_nobody_is_let_in(scene: Scene, key: str | None, path: str):
    refused = await scene.ask("POST" if path.endswith("revoke") else "GET", path, key=key)
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert "admin key" in refused.message
    assert scene.master.ordered == []


async def test_a_tenants_key_is_no_admin_key_even_if_the_file_says_so(scene: Scene):
    scene.master.snapshot = snapshot_of(f"{CONFIGURATION}    - {{id: ab12cd34, hash: {keys.digest(PEPPER, TENANT)}}}\n")
    assert (await scene.ask("GET", "/admin/status", key=TENANT)).status == 401
    assert (await scene.ask("GET", "/admin/status")).status == 200


async def test_without_admin_keys_only_the_control_socket_is_open(scene: Scene):
    scene.master.snapshot = snapshot_of(WITHOUT_ADMIN)
    refused = await scene.ask("GET", "/admin/status")
    assert refused.status == 403
    for word in ("operations.admin_keys in segue.yaml", "segue keys new --admin", "control socket"):
        assert word in refused.message
    assert (await scene.ask_locally("GET", "/admin/status")).status == 200


async def test_every_change_and_whoever_is_not_let_in_is_written_down(scene: Scene, capsys: pytest.CaptureFixture[str]):
    await scene.ask("GET", "/admin/keys")
    await scene.ask("GET", "/admin/nothing")
    assert audited(capsys) == []
    await scene.ask("POST", "/admin/keys/ab12cd34/revoke")
    await scene.ask_locally("POST", "/admin/reload")
    await scene.ask("POST", "/admin/tenants", {"name": "team-a"})
    await scene.ask("GET", "/admin/status", key=UNKNOWN)
    scene.master.missing = ["worker 1"]
    await scene.ask("POST", "/admin/tenants", {"name": "team-b"})
    scene.server.stop()
    await scene.ask("POST", "/admin/tenants", {"name": "team-c"})
    expected = [
        ("admin001", "revoke_key", "ab12cd34", "ok"),
        ("local", "reload", "configuration 2", "ok"),
        ("admin001", "create_tenant", "team-a", "refused"),
        ("unknown", "show_status", "", "denied"),
        ("admin001", "create_tenant", "team-b", "partial"),
        ("admin001", "create_tenant", "team-c", "unavailable"),
    ]
    assert [tuple(line[name] for name in MAIN) for line in audited(capsys)] == expected
    assert scene.master.counted == [(action, outcome) for _, action, _, outcome in expected]


async def test_the_audit_says_what_exactly(scene: Scene, capsys: pytest.CaptureFixture[str]):
    made, _ = await scene.made()
    await scene.ask_locally("PATCH", f"/admin/keys/{made}", {"scopes": ["models"], "models": []})
    rotated = await scene.ask_locally("POST", f"/admin/keys/{made}/rotate")
    await scene.ask_locally("POST", "/admin/keys", {"tenant": "team-a", "models": 1})
    local = {"actor": "local", "outcome": "ok"}
    peer = {"peer": "127.0.0.1"}
    assert audited(capsys) == [
        {"actor": "admin001", "action": "create_key", "subject": made, "outcome": "ok", "tenant": "team-a", **peer},
        {**local, "action": "change_key", "subject": made, "fields": "models, scopes"},
        {**local, "action": "rotate_key", "subject": made, "successor": rotated.body["key"]["id"]},
        {**local, "action": "create_key", "subject": "team-a", "outcome": "refused"},
    ]


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/admin/openapi.json", "show_document"),
        ("PUT", "/admin/keys", "other_method"),
        ("GET", "/admin/nothing", "unknown"),
        ("POST", "/admin/keys", "create_key"),
    ],
)
async def test_who_was_not_let_in_is_told_with_where_from(
    scene: Scene, capsys: pytest.CaptureFixture[str], method: str, path: str, action: str
):
    await scene.ask(method, path, key=None)
    [line] = audited(capsys)
    assert line == {"actor": "unknown", "action": action, "subject": "", "outcome": "denied", "peer": "127.0.0.1"}


async def test_a_bug_is_written_down_too(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(scene.master, "spread", lambda *_: 1 // 0)
    failed = await scene.ask("POST", "/admin/tenants", {"name": "team-b"})
    assert (failed.status, failed.body["error"]["field"]) == (500, None)
    [line] = audited(capsys)
    assert (line["action"], line["outcome"]) == ("create_tenant", "failed")


SECRETS = (SECRET, ADMIN, TENANT)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/admin/keys/{TENANT}", None),
        ("POST", f"/admin/keys/{TENANT}/revoke", None),
        ("POST", f"/admin/keys/{TENANT}/rotate", {}),
        ("GET", f"/admin/tenants/{TENANT}", None),
        ("DELETE", f"/admin/tenants/{TENANT}", None),
        ("GET", f"/admin/{TENANT}", None),
        ("GET", f"/admin/keys?{TENANT}=1", None),
        ("GET", f"/admin/keys?tenant={TENANT}", None),
        ("POST", "/admin/tenants", {"name": TENANT}),
        ("POST", "/admin/tenants", {"name": [TENANT]}),
        ("POST", "/admin/tenants", {TENANT: 1}),
        ("POST", "/admin/keys", {"tenant": TENANT}),
        ("POST", "/admin/keys", {"tenant": "team-a", "models": [TENANT], "expires": TENANT, "scopes": [TENANT]}),
        ("PATCH", "/admin/keys/ab12cd34", {"expires": TENANT}),
    ],
)
async def test_a_key_in_the_wrong_place_never_comes_out_again(
    scene: Scene, capsys: pytest.CaptureFixture[str], method: str, path: str, body: Any
):
    reply = await scene.ask(method, path, body)
    said = json.dumps([reply.body, reply.headers]) + capsys.readouterr().err
    assert not any(secret in said for secret in SECRETS)
    assert reply.status in (200, 400, 404, 409)


async def test_an_unknown_path_lists_what_exists(scene: Scene):
    refused = await scene.ask("GET", "/admin/key")
    assert refused.status == 404
    assert "/admin/keys/{id}/rotate" in refused.message
    assert "/admin/openapi.json" in refused.message
    assert (await scene.ask("GET", "/admin/keys/")).status == 200
    assert (await scene.ask("GET", "/admin/keys//revoke")).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/admin/keys", "GET, POST, HEAD"),
        ("PUT", "/admin/tenants/team-a", "GET, PATCH, DELETE, HEAD"),
        ("GET", "/admin/keys/ab12cd34/revoke", "POST"),
        ("OPTIONS", "/admin/reload", "POST"),
        ("POST", "/admin/openapi.json", "GET, HEAD"),
    ],
)
async def test_another_method_is_told_which_there_are(scene: Scene, method: str, path: str, allow: str):
    refused = await scene.ask(method, path)
    assert (refused.status, refused.headers["allow"]) == (405, allow)
    assert allow in refused.message


@pytest.mark.parametrize(
    ("path", "raw", "field", "words"),
    [
        ("/admin/tenants", b"{", None, "not valid JSON"),
        ("/admin/tenants", b"[1]", None, "must be a JSON object"),
        ("/admin/tenants", b"\xff", None, "not valid JSON"),
        ("/admin/tenants", b'{"name": "\\ud800"}', None, "not valid JSON"),
        ("/admin/tenants", b"[" * 5000, None, "not valid JSON"),
        ("/admin/tenants", b"", "name", "'name' is missing"),
        ("/admin/tenants", b'{"name": "a", "nmae": 1}', "nmae", "'nmae' is unknown here. Known: name, fallback_events"),
        ("/admin/tenants", b'{"name": 1}', "name", "'name': input should be a valid string"),
        ("/admin/tenants", b'{"name": ""}', "name", "1 to 64 of A-Z"),
        ("/admin/tenants", b'{"name": " a"}', "name", "1 to 64 of A-Z"),
        ("/admin/tenants", b'{"name": ".."}', "name", "1 to 64 of A-Z"),
        ("/admin/tenants", b'{"name": "a\\u0000"}', "name", "1 to 64 of A-Z"),
        ("/admin/tenants", b'{"name": "a/b"}', "name", "begins with a letter or digit"),
        ("/admin/tenants", b'{"name": "a\\n"}', "name", "1 to 64 of A-Z"),
        ("/admin/tenants", b'{"name": "%s"}' % (b"x" * 65), "name", "1 to 64 of A-Z"),
        ("/admin/keys", b'{"tenant": ""}', "tenant", "at least 1 character"),
        ("/admin/tenants", b'{"name": "a", "fallback_events": "loud"}', "fallback_events", "'events', 'comments'"),
        ("/admin/keys", b'{"tenant": "team-a", "scopes": ["generate", "x"]}', "scopes[1]", "'generate'"),
        ("/admin/keys", b'{"tenant": "team-a", "scopes": []}', "scopes", "at least 1 item"),
        ("/admin/keys", b'{"tenant": "team-a", "expires": "soon"}', "expires", "2027-01-31"),
        ("/admin/keys", b'{"tenant": "team-a", "expires": 1900000000}', "expires", "datetime"),
        ("/admin/keys", b'{"tenant": "team-a", "expires": "9999-12-31T23:59:59-12:00"}', "expires", "2027-01-31"),
        ("/admin/keys", b'{"tenant": "team-a", "models": null}', "models", "array"),
        ("/admin/keys/abcdefgh/rotate", b'{"overlap_seconds": "1"}', "overlap_seconds", "number"),
        ("/admin/keys/abcdefgh/rotate", b'{"overlap_seconds": -1}', "overlap_seconds", "greater than or equal to 0"),
        ("/admin/keys/abcdefgh/rotate", b'{"overlap_seconds": 1e300}', "overlap_seconds", "less than or equal"),
        ("/admin/keys/ab12cd34/revoke", b'{"terminate": true}', "terminate", "unknown here"),
        ("/admin/keys/ab12cd34/revoke?terminate=perhaps", b"", "terminate", "boolean"),
        ("/admin/keys/ab12cd34/revoke?now=true", b"", "now", "unknown here. Known: terminate"),
        ("/admin/reload?soon=1", b"", "soon", "unknown here. Known: (none)"),
    ],
)
async def test_what_is_wrong_is_named(scene: Scene, path: str, raw: bytes, field: str | None, words: str):
    refused = await scene.ask("POST", path, raw=raw)
    assert (refused.status, refused.body["error"]["field"]) == (400, field)
    assert words in refused.message + str(refused.body["error"].get("details"))
    assert scene.master.ordered == []


async def test_all_mistakes_are_told_at_once(scene: Scene):
    refused = await scene.ask("POST", "/admin/keys", {"scopes": ["x"], "models": 1})
    assert refused.body["error"]["field"] == "tenant"
    assert len(refused.body["error"]["details"]) == 2


async def test_a_body_may_be_small_only(scene: Scene):
    name = json.dumps({"name": "x" * LIMIT}).encode()
    assert (await scene.ask("POST", "/admin/tenants", raw=name)).status == 413
    head = f"POST /admin/tenants HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\n"
    declared = await asyncio.to_thread(scene.raw, f"{head}content-length: {LIMIT + 1}\r\n\r\n".encode() + b"x" * LIMIT)
    assert b" 413 " in declared.partition(b"\r\n")[0]
    pieces = b"".join(b"%x\r\n%s\r\n" % (4096, b"x" * 4096) for _ in range(17)) + b"0\r\n\r\n"
    chunked = await asyncio.to_thread(scene.raw, f"{head}transfer-encoding: chunked\r\n\r\n".encode() + pieces)
    assert b" 413 " in chunked.partition(b"\r\n")[0]


async def test_a_client_that_leaves_does_not_undo_what_it_asked_for(
    scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    spread = scene.master.spread

    async def slow(version: int, revoked: Any = ()) -> list[str]:
        await asyncio.sleep(0.3)
        return await spread(version, revoked)

    monkeypatch.setattr(scene.master, "spread", slow)
    _, writer = await asyncio.open_connection("127.0.0.1", scene.port)
    head = f"POST /admin/tenants HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\ncontent-length: 17\r\n\r\n"
    writer.write(head.encode() + b'{"name":"team-b"}')
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    await asyncio.sleep(0.5)
    [line] = audited(capsys)
    assert (line["subject"], line["outcome"]) == ("team-b", "ok")
    assert scene.master.ordered == [("spread", 1, [])]


async def test_status_is_the_masters(scene: Scene):
    shown = await scene.ask("GET", "/admin/status")
    assert (shown.status, shown.headers["cache-control"]) == (200, "no-store")
    assert shown.body["workers"][1]["in_flight"] == 1
    assert shown.body["configuration"]["loaded"] == "2027-01-31T12:00:00Z"


async def test_a_reload_says_what_came_of_it(scene: Scene):
    scene.master.reloaded = Reloaded(3, waiting=("server.port",))
    done = await scene.ask("POST", "/admin/reload")
    assert (done.status, done.body) == (200, {"number": 3, "waiting": ["server.port"], "missing": []})
    scene.master.reloaded = Reloaded(3, missing={"worker 1": "no answer"})
    partial = await scene.ask("POST", "/admin/reload")
    assert (partial.status, partial.body["missing"]) == (207, ["worker 1"])
    scene.master.reloaded = Reloaded(3, problems=("segue.yaml:3: providers: wrong — correct it",))
    refused = await scene.ask("POST", "/admin/reload")
    assert (refused.status, refused.message) == (422, "The configuration cannot be served; number 3 stays in force.")
    assert refused.body["error"]["details"] == ["segue.yaml:3: providers: wrong — correct it"]
