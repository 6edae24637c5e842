"""Tenants through /admin: those of the file are shown, those of a real store made, changed and deleted."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.master.instance import FILE, LINE, Scene, playing
from tests.store.servers import running


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    with running() as server:
        async with playing(server) as found:
            yield found


@pytest.mark.parametrize("name", ["team-b", "7", "A.b_c-", "x" * 64])
async def test_a_tenant_comes_and_goes(scene: Scene, name: str):
    place = f"/admin/tenants/{quote(name, safe='')}"
    made = await scene.ask("POST", "/admin/tenants", {"name": name, "fallback_events": "none"})
    assert made.status == 201
    assert made.body["tenant"]["created"] is not None
    shown = await scene.ask("GET", place)
    assert (shown.status, shown.body) == (200, made.body)
    changed = await scene.ask("PATCH", place, {"fallback_events": None})
    assert (changed.status, changed.body["tenant"]["fallback_events"]) == (200, None)
    listed = await scene.ask("GET", "/admin/tenants")
    assert {tenant["name"]: tenant["held_by"] for tenant in listed.body["tenants"]} == {"team-a": "file", name: "store"}
    deleted = await scene.ask("DELETE", place)
    assert (deleted.status, deleted.body) == (200, {"name": name, "revoked": [], "missing": []})
    assert (await scene.ask("GET", place)).status == 404
    assert scene.master.ordered == [("spread", version, []) for version in (1, 2, 3)]


async def test_the_files_tenants_change_in_the_file(scene: Scene):
    shown = await scene.ask("GET", "/admin/tenants/team-a")
    assert shown.body["tenant"]["place"] == f"{FILE}:{LINE - 2}"
    for method, path, body in (
        ("POST", "/admin/tenants", {"name": "team-a"}),
        ("PATCH", "/admin/tenants/team-a", {"fallback_events": None}),
        ("DELETE", "/admin/tenants/team-a", None),
    ):
        refused = await scene.ask(method, path, body)
        assert refused.status == 409
        assert f"{FILE}, line {LINE - 2}: change it there" in refused.message


async def test_a_name_is_taken_once(scene: Scene):
    await scene.ask("POST", "/admin/tenants", {"name": "team-b"})
    again = await scene.ask("POST", "/admin/tenants", {"name": "team-b"})
    assert (again.status, again.message) == (409, "There is a tenant 'team-b' already.")


async def test_with_a_tenant_its_keys_are_revoked(scene: Scene):
    await scene.ask("POST", "/admin/tenants", {"name": "team-b"})
    made, _ = await scene.made(tenant="team-b")
    deleted = await scene.ask("DELETE", "/admin/tenants/team-b?terminate=true")
    assert deleted.body["revoked"] == [made]
    assert scene.master.ordered[-2:] == [("spread", 3, [made]), ("cut", [made])]
    assert scene.master.revocations.ids == {made}
    assert (await scene.ask("GET", f"/admin/keys/{made}")).status == 404
    assert (await scene.ask("POST", f"/admin/keys/{made}/revoke")).status == 200


async def test_who_has_not_acknowledged_is_named(scene: Scene):
    scene.master.missing = ["worker 0"]
    for method, path, body in (
        ("POST", "/admin/tenants", {"name": "team-b"}),
        ("PATCH", "/admin/tenants/team-b", {"fallback_events": "events"}),
        ("DELETE", "/admin/tenants/team-b?terminate=true", None),
    ):
        reply = await scene.ask(method, path, body)
        assert (reply.status, reply.body["missing"]) == (207, ["worker 0"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/admin/tenants", {"name": "team-b"}),
        ("PATCH", "/admin/tenants/team-b", {"fallback_events": None}),
        ("DELETE", "/admin/tenants/team-b", None),
    ],
)
async def test_without_the_store_nothing_changes(scene: Scene, method: str, path: str, body: Any):
    scene.server.stop()
    refused = await scene.ask(method, path, body)
    assert refused.status == 503
    assert refused.message.endswith("Nothing was changed.")
    listed = await scene.ask("GET", "/admin/tenants")
    assert (listed.status, listed.body["missing"]) == (207, ["store"])
    assert [tenant["name"] for tenant in listed.body["tenants"]] == ["team-a"]
    assert (await scene.ask("GET", "/admin/tenants/team-a")).status == 200
    unknown = await scene.ask("GET", "/admin/tenants/team-b")
    assert unknown.status == 503
    assert "Look whether" not in unknown.message
