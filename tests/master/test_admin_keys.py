"""Keys through /admin: made, shown, changed, rotated and revoked, in the file and in a real store."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.runtime import keys
from proxy.runtime.snapshot import Snapshot
from tests.master.instance import CONFIGURATION, FILE, LINE, PEPPER, Scene, playing, snapshot_of, status
from tests.store.servers import running

IN_FILE = "ab12cd34"
NOBODYS = "zzzzzzzz"
NOT_KEPT = status(store=status().store.model_copy(update={"not_kept": "no directory"}))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    with running() as server:
        async with playing(server) as found:
            yield found


def without_file(snapshot: Snapshot) -> Snapshot:
    """As it is made of the environment."""
    return snapshot.__class__(**{name: getattr(snapshot, name) for name in snapshot.__struct_fields__} | {"places": {}})


async def held(scene: Scene, key_id: str) -> Any:
    reply = await scene.ask("GET", f"/admin/keys/{key_id}")
    assert reply.status == 200
    return reply.body["key"]


async def test_a_key_is_made_and_its_secret_told_once(scene: Scene):
    made = await scene.ask(
        "POST", "/admin/keys", {"tenant": "team-a", "models": ["gp*"], "scopes": ["generate"], "expires": "2099-01-31"}
    )
    assert made.status == 201
    secret, key = made.body["secret"], made.body["key"]
    assert keys.parse(secret) is not None
    expected = {
        "tenant": "team-a",
        "held_by": "store",
        "place": None,
        "state": "active",
        "models": ["gp*"],
        "scopes": ["generate"],
        "expires": "2099-01-31T00:00:00Z",
        "fallback_events": None,
    }
    assert {name: key[name] for name in expected} == expected
    assert scene.master.ordered == [("spread", 1, [])]
    [found] = await scene.master.records.find_keys([keys.digest(PEPPER, secret)])
    assert found is not None
    assert found.key.id == key["id"]
    assert await held(scene, key["id"]) == key
    for path in ("/admin/keys", f"/admin/keys/{key['id']}"):
        told = str((await scene.ask("GET", path)).body)
        assert secret not in told
        assert found.key.digest not in told


async def test_all_keys_are_listed_the_files_too(scene: Scene):
    await scene.ask("POST", "/admin/tenants", {"name": "team-b"})
    made, _ = await scene.made(tenant="team-b")
    listed = (await scene.ask("GET", "/admin/keys")).body
    assert [(key["id"], key["held_by"], key["place"]) for key in listed["keys"]] == [
        (IN_FILE, "file", f"{FILE}:{LINE}"),
        (made, "store", None),
    ]
    assert listed["missing"] == []
    for tenant, expected in (("team-b", [made]), ("team-a", [IN_FILE]), ("team-c", [])):
        found = (await scene.ask("GET", f"/admin/keys?tenant={tenant}")).body["keys"]
        assert [key["id"] for key in found] == expected


async def test_a_key_the_file_took_over_is_the_files(scene: Scene):
    made, _ = await scene.made()
    scene.master.snapshot = snapshot_of(CONFIGURATION.replace(f"id: {IN_FILE}", f"id: {made}"))
    listed = (await scene.ask("GET", "/admin/keys")).body["keys"]
    assert [(key["id"], key["held_by"]) for key in listed] == [(made, "file")]
    assert (await scene.ask("PATCH", f"/admin/keys/{made}", {"models": []})).status == 409


@pytest.mark.parametrize(
    ("wanted", "status_code", "field", "words"),
    [
        ({"tenant": "nobody"}, 404, None, "Neither the configuration nor the store holds a tenant 'nobody'."),
        ({"tenant": "team-a", "models": ["gpt", "gtp"]}, 400, "models[1]", "did you mean 'gpt'?"),
        ({"tenant": "team-a", "models": ["x*"]}, 400, "models[0]", "use some of: gpt"),
        ({"tenant": "team-a", "expires": "2020-01-01"}, 400, "expires", "in the past"),
    ],
)
async def test_no_key_that_could_not_work(
    scene: Scene, wanted: dict[str, Any], status_code: int, field: str | None, words: str
):
    refused = await scene.ask("POST", "/admin/keys", wanted)
    assert (refused.status, refused.body["error"]["field"]) == (status_code, field)
    assert words in refused.message
    assert scene.master.ordered == []


async def test_only_what_is_given_changes(scene: Scene):
    made, _ = await scene.made(models=["gpt"], expires="2099-01-01")
    for change in (
        {"scopes": ["models"]},
        {"expires": None},
        {"expires": "2020-01-01T00:00:00+02:00"},
        {"models": []},
        {"fallback_events": "none"},
    ):
        before = await held(scene, made)
        changed = await scene.ask("PATCH", f"/admin/keys/{made}", change)
        assert changed.status == 200
        differing = {name for name, value in changed.body["key"].items() if before[name] != value}
        assert differing - {"state"} == set(change)
    assert changed.body["key"]["expires"] == "2019-12-31T22:00:00Z"
    assert changed.body["key"]["state"] == "expired"
    assert len(scene.master.ordered) == 6
    nothing = await scene.ask("PATCH", f"/admin/keys/{made}", {})
    assert (nothing.status, nothing.message) == (
        400,
        "There is nothing to change. Send some of models, scopes, expires, fallback_events.",
    )


async def test_a_rotated_key_works_on_for_the_overlap(scene: Scene):
    made, first = await scene.made(models=["gpt"])
    rotated = await scene.ask("POST", f"/admin/keys/{made}/rotate", {"overlap_seconds": 3600})
    assert rotated.status == 201
    key, old = rotated.body["key"], rotated.body["predecessor"]
    assert (key["rotated_from"], key["models"], old["rotated_to"], old["state"]) == (
        made,
        ["gpt"],
        key["id"],
        "active",
    )
    assert old["expires"] is not None
    assert key["expires"] is None
    assert rotated.body["secret"] != first
    again = await scene.ask("POST", f"/admin/keys/{made}/rotate")
    assert (again.status, again.message) == (
        409,
        f"The key '{made}' was rotated already, to '{key['id']}'; rotate that one.",
    )
    at_once = await scene.ask("POST", f"/admin/keys/{key['id']}/rotate", {"overlap_seconds": 0})
    assert at_once.body["predecessor"]["state"] == "expired"


@pytest.mark.parametrize(("method", "tail", "body"), [("PATCH", "", {"expires": None}), ("POST", "/rotate", {})])
async def test_the_files_keys_change_in_the_file(scene: Scene, method: str, tail: str, body: dict[str, Any]):
    refused = await scene.ask(method, f"/admin/keys/{IN_FILE}{tail}", body)
    assert refused.status == 409
    assert f"{FILE}, line {LINE}: change it there" in refused.message
    scene.master.snapshot = without_file(scene.master.snapshot)
    refused = await scene.ask(method, f"/admin/keys/{IN_FILE}{tail}", body)
    assert refused.status == 409
    assert "was made of the environment" in refused.message


@pytest.mark.parametrize("origin", ["file", "store"])
async def test_revoking_holds_for_good_wherever_the_key_is(scene: Scene, origin: str):
    made = IN_FILE if origin == "file" else (await scene.made())[0]
    before = len(scene.master.ordered)
    for _ in range(2):  # twice is the same
        revoked = await scene.ask("POST", f"/admin/keys/{made}/revoke")
        assert (revoked.status, revoked.body) == (200, {"id": made, "missing": []})
    assert await scene.master.records.revoked() == {made}
    assert (scene.control.parent / "revocations").read_text().startswith(f"{made} ")
    assert (await held(scene, made))["state"] == "revoked"
    first, second = scene.master.ordered[before:]
    assert first == second == ("spread", first[1], [made])
    if origin == "store":
        for tail, method, body in (("", "PATCH", {"expires": None}), ("/rotate", "POST", {})):
            refused = await scene.ask(method, f"/admin/keys/{made}{tail}", body)
            assert (refused.status, refused.message) == (
                409,
                f"The key '{made}' is revoked: nothing of it can be changed.",
            )


async def test_revoking_can_end_what_runs(scene: Scene):
    await scene.ask("POST", f"/admin/keys/{IN_FILE}/revoke?terminate=true")
    assert [order[0] for order in scene.master.ordered] == ["spread", "cut"]
    assert scene.master.ordered[1] == ("cut", [IN_FILE])


@pytest.mark.parametrize("key_id", [NOBODYS, "ab12", "AB12CD34", "%2e%2e", "ab12cd3%2f"])
async def test_nobodys_key_cannot_be_revoked(scene: Scene, key_id: str):
    refused = await scene.ask("POST", f"/admin/keys/{key_id}/revoke")
    assert refused.status == 404
    assert scene.master.ordered == []
    assert scene.master.revocations.ids == set()


async def test_who_has_not_acknowledged_is_named(scene: Scene):
    scene.master.missing = ["worker 1", "b:17"]
    made = await scene.ask("POST", "/admin/keys", {"tenant": "team-a"})
    assert (made.status, made.body["missing"]) == (207, ["worker 1", "b:17"])
    key_id = made.body["key"]["id"]
    assert keys.parse(made.body["secret"]) is not None
    for method, tail, body in (
        ("PATCH", "", {"models": []}),
        ("POST", "/rotate", {}),
        ("POST", "/revoke?terminate=true", None),
    ):
        reply = await scene.ask(method, f"/admin/keys/{key_id}{tail}", body)
        assert (reply.status, sorted(reply.body["missing"])) == (207, ["b:17", "worker 1"])


CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/admin/keys", {"tenant": "team-a"}),
    ("PATCH", f"/admin/keys/{NOBODYS}", {"models": []}),
    ("POST", f"/admin/keys/{NOBODYS}/rotate", {}),
    ("POST", f"/admin/keys/{NOBODYS}/revoke", None),
    ("POST", f"/admin/keys/{IN_FILE}/revoke", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize("ending", ["stopped", "frozen"])
async def test_without_the_store_nothing_changes(scene: Scene, ending: str, method: str, path: str, body: Any):
    if ending == "stopped":
        scene.server.stop()
    else:
        scene.server.pause()
    refused = await scene.ask(method, path, body)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.message.startswith("The store is not available")
    assert refused.message.endswith("Nothing was changed.")
    assert scene.master.ordered == []
    assert scene.master.revocations.ids == set()


def leave_before(scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The store stops answering between the first look at it and this change."""
    change = getattr(scene.master.records, name)

    async def changed(*arguments: Any, **more: Any) -> Any:
        scene.server.pause()
        return await change(*arguments, **more)

    monkeypatch.setattr(scene.master.records, name, changed)


async def test_a_store_that_leaves_meanwhile_is_no_success(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    leave_before(scene, monkeypatch, "create_key")
    unclear = await scene.ask("POST", "/admin/keys", {"tenant": "team-a"})
    assert unclear.status == 503
    assert unclear.message.endswith("Look whether it was done before you do it again.")
    assert scene.master.ordered == []


async def test_a_revocation_on_its_way_is_not_lost(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    leave_before(scene, monkeypatch, "revoke")
    noted = await scene.ask("POST", f"/admin/keys/{IN_FILE}/revoke")
    assert noted.status == 503
    assert noted.message.endswith("This instance refuses the key from now on; the others, once the store can be told.")
    assert (scene.control.parent / "revocations").read_text().startswith(f"{IN_FILE} ")
    assert scene.master.ordered == [("enforce", [IN_FILE])]


async def test_without_the_store_the_file_can_still_be_read(scene: Scene):
    made, _ = await scene.made()
    await scene.ask("POST", f"/admin/keys/{IN_FILE}/revoke")
    scene.server.stop()
    listed = await scene.ask("GET", "/admin/keys")
    assert (listed.status, listed.body["missing"]) == (207, ["store"])
    assert [(key["id"], key["state"]) for key in listed.body["keys"]] == [(IN_FILE, "revoked")]
    one = await scene.ask("GET", f"/admin/keys/{IN_FILE}")
    assert (one.status, one.body["missing"], one.body["key"]["state"]) == (207, ["store"], "revoked")
    assert (await scene.ask("GET", f"/admin/keys/{made}")).status == 503


async def test_what_was_revoked_elsewhere_is_known_without_the_store(scene: Scene):
    scene.master.revoked = {IN_FILE}
    scene.server.stop()
    listed = await scene.ask("GET", "/admin/keys")
    assert [(key["id"], key["state"]) for key in listed.body["keys"]] == [(IN_FILE, "revoked")]
    assert (await scene.ask("GET", f"/admin/keys/{IN_FILE}")).body["key"]["state"] == "revoked"


async def test_where_nothing_can_be_kept_nothing_is_revoked(tmp_path: Path):
    (tmp_path / "directory").mkdir()
    with running() as server:
        async with playing(server, revocations=tmp_path / "directory") as scene:
            scene.master.shown = NOT_KEPT
            refused = await scene.ask("POST", f"/admin/keys/{IN_FILE}/revoke")
            assert refused.status == 503
            for word in ("nothing was changed", "no directory", "Is a directory", "store.directory", "expire"):
                assert word in refused.message
            assert await scene.master.records.revoked() == set()
            assert scene.master.ordered == []


async def test_one_place_that_keeps_it_is_enough(tmp_path: Path):
    (tmp_path / "directory").mkdir()
    with running() as server:
        async with playing(server, revocations=tmp_path / "directory") as scene:
            assert (await scene.ask("POST", f"/admin/keys/{IN_FILE}/revoke")).status == 200
            assert await scene.master.records.revoked() == {IN_FILE}
        async with playing(server, revocations=tmp_path / "list") as scene:
            scene.master.shown = NOT_KEPT
            assert (await scene.ask("POST", f"/admin/keys/{IN_FILE}/revoke")).status == 200
            assert (tmp_path / "list").read_text().startswith(f"{IN_FILE} ")


async def test_a_key_is_shown_whatever_the_calendar_says(scene: Scene):
    text = CONFIGURATION.replace("- {id: ab12cd34,", "- {id: ab12cd34, expires: '9999-12-31T23:59:59-12:00',")
    scene.master.snapshot = snapshot_of(text)
    assert (await held(scene, IN_FILE))["expires"] == "9999-12-31T23:59:59Z"


async def test_our_breaker_is_not_the_stores_trouble(scene: Scene):
    scene.server.stop()
    said = [(await scene.ask("POST", f"/admin/keys/{IN_FILE}/revoke")).message for _ in range(10)]
    assert said[-1].startswith("The store is not available: it failed a moment ago (refused)")


async def test_moments_are_shown_in_whole_seconds(scene: Scene):
    made, _ = await scene.made(expires="2099-01-31T12:00:00.75Z")
    assert (await held(scene, made))["expires"] == "2099-01-31T12:00:00Z"


async def test_a_key_whose_tenant_is_gone_says_so(scene: Scene):
    made, _ = await scene.made()
    scene.master.snapshot = snapshot_of(CONFIGURATION.replace("team-a", "team-z"))
    assert (await held(scene, made))["state"] == "orphaned"
