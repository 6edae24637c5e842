"""What there is under /admin: the one table by which requests are matched and of which the OpenAPI document is made."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import unquote

from pydantic import BaseModel

from proxy.master import admin_models as models
from proxy.master.admin_breakers import BreakerActions
from proxy.master.admin_exchange import Answer, Asked, Refused
from proxy.master.admin_keys import KeyActions
from proxy.master.admin_models import Given, Nothing
from proxy.master.admin_tenants import TenantActions
from proxy.master.control import Control
from proxy.master.status import Status

DOCUMENT = "/admin/openapi.json"


class Route(NamedTuple):
    """`path`: one of its steps may be `{id}` or `{name}`. `action`: its name in audit lines, metrics and the document.
    `status`: of an answer in which nobody is missing. `about`: the field of the body that says what it is about, where
    the path does not. `needs_store`: it is about records in the store."""

    method: str
    path: str
    action: str
    summary: str
    act: Callable[[Asked[Any, Any]], Awaitable[Answer]]
    answer: type[BaseModel]
    query: type[Given] = Nothing
    body: type[Given] = Nothing
    status: int = 200
    about: str = ""
    needs_store: bool = True

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    @property
    def parameter(self) -> str:
        """What the variable step of the path is called, "" if there is none."""
        return self.path.partition("{")[2].partition("}")[0]

    def match(self, raw_path: str) -> str | None:
        """What stands in the variable step, "" if there is none; None if this is not the path."""
        name = ""
        ours, theirs = self.path.split("/"), raw_path.split("/")
        if len(ours) != len(theirs):
            return None
        for step, given in zip(ours, theirs, strict=True):
            if step.startswith("{"):
                name = unquote(given)
            elif step != given:
                return None
        return None if self.parameter and not name else name


class InstanceActions:
    def __init__(self, control: Control) -> None:
        self._control = control

    async def status(self, asked: Asked[Nothing, Nothing]) -> Answer:
        return Answer(self._control.status())

    async def reload(self, asked: Asked[Nothing, Nothing]) -> Answer:
        """Raises Refused if what was read cannot be served."""
        reloaded = await self._control.reload()
        if reloaded.problems:
            refusal = f"The configuration cannot be served; number {reloaded.number} stays in force."
            raise Refused(422, refusal, details=reloaded.problems)
        done = models.ReloadedConfiguration(
            number=reloaded.number, waiting=list(reloaded.waiting), missing=list(reloaded.missing)
        )
        return Answer(done, f"configuration {reloaded.number}", is_partial=bool(done.missing))


def routes(control: Control, clock: Callable[[], float]) -> tuple[Route, ...]:
    """`clock`: unix seconds."""
    return (
        *_of_instance(InstanceActions(control)),
        *_of_breakers(BreakerActions(control)),
        *_of_tenants(TenantActions(control)),
        *_of_keys(control, clock),
    )


def _of_instance(act: InstanceActions) -> tuple[Route, ...]:
    reloaded = models.ReloadedConfiguration
    return (
        Route("GET", "/admin/status", "show_status", "How this instance fares.", act.status, Status, needs_store=False),
        Route(
            "POST",
            "/admin/reload",
            "reload",
            "Read the configuration again.",
            act.reload,
            reloaded,
            needs_store=False,
        ),
    )


def _of_breakers(act: BreakerActions) -> tuple[Route, ...]:
    every, one = "/admin/breakers", "/admin/breakers/{name}"
    shown = models.ShownBreaker
    return (
        Route(
            "GET",
            every,
            "list_breakers",
            "All targets and credentials.",
            act.show_all,
            models.Breakers,
            needs_store=False,
        ),
        Route("GET", one, "show_breaker", "One target or credential.", act.show, shown, needs_store=False),
        Route(
            "POST",
            f"{one}/open",
            "open_breaker",
            "Let nobody through for a while, on every replica.",
            act.open,
            shown,
            body=models.OpenBreaker,
            needs_store=False,
        ),
        Route(
            "POST",
            f"{one}/reset",
            "reset_breaker",
            "Close it and forget what was held against it, on every replica.",
            act.reset,
            shown,
            needs_store=False,
        ),
    )


def _of_tenants(act: TenantActions) -> tuple[Route, ...]:
    every, one = "/admin/tenants", "/admin/tenants/{name}"
    return (
        Route("GET", every, "list_tenants", "All tenants.", act.show_all, models.Tenants),
        Route(
            "POST",
            every,
            "create_tenant",
            "Make a tenant.",
            act.create,
            models.ChangedTenant,
            body=models.CreateTenant,
            status=201,
            about="name",
        ),
        Route("GET", one, "show_tenant", "One tenant.", act.show, models.ChangedTenant),
        Route(
            "PATCH",
            one,
            "change_tenant",
            "Change a tenant.",
            act.change,
            models.ChangedTenant,
            body=models.ChangeTenant,
        ),
        Route(
            "DELETE",
            one,
            "delete_tenant",
            "Delete a tenant; its keys are revoked.",
            act.delete,
            models.DeletedTenant,
            query=models.Ending,
        ),
    )


def _of_keys(control: Control, clock: Callable[[], float]) -> tuple[Route, ...]:
    act = KeyActions(control, clock)
    every, one = "/admin/keys", "/admin/keys/{id}"
    return (
        Route("GET", every, "list_keys", "All keys.", act.show_all, models.Keys, query=models.OfTenant),
        Route(
            "POST",
            every,
            "create_key",
            "Make a key.",
            act.create,
            models.CreatedKey,
            body=models.CreateKey,
            status=201,
            about="tenant",
        ),
        Route("GET", one, "show_key", "One key.", act.show, models.ChangedKey),
        Route(
            "PATCH",
            one,
            "change_key",
            "Change what a key may do, or when it expires.",
            act.change,
            models.ChangedKey,
            body=models.ChangeKey,
        ),
        Route(
            "POST",
            f"{one}/rotate",
            "rotate_key",
            "Give a key a successor with the same rights.",
            act.rotate,
            models.RotatedKey,
            body=models.RotateKey,
            status=201,
        ),
        Route(
            "POST",
            f"{one}/revoke",
            "revoke_key",
            "End a key for good, whoever holds it.",
            act.revoke,
            models.RevokedKey,
            query=models.Ending,
        ),
    )
