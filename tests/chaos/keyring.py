"""The keys of a run: who holds them, and what was done to them when. Times are monotonic."""

import random
from dataclasses import dataclass, field
from typing import Any, Literal

from proxy.runtime import keys
from tests.e2e.configuration import SECRET

TENANT = "chaos"
_IN_FILE = 150


@dataclass(slots=True, eq=False)
class HeldKey:
    """`revoking_since`: when its revocation was first asked for; `revoked`: when that was first acknowledged, and
    `by_all`: by every worker and replica. `terminated`: its running requests were to be ended."""

    id: str
    key: str
    held_by: Literal["file", "store"]
    revoking_since: float | None = None
    revoked: float | None = None
    by_all: bool = False
    terminated: bool = False

    @property
    def is_untouched(self) -> bool:
        return self.revoking_since is None


@dataclass(slots=True)
class Keyring:
    in_file: list[HeldKey] = field(default_factory=list)
    in_store: list[HeldKey] = field(default_factory=list)

    @classmethod
    def minted(cls) -> "Keyring":
        """With all keys of the file, and none of the store."""
        minted = [keys.mint(SECRET.encode()) for _ in range(_IN_FILE)]
        return cls([HeldKey(each.id, each.key, "file") for each in minted])

    def tenants(self) -> dict[str, Any]:
        """The configuration's section."""
        held = [{"id": each.id, "hash": keys.digest(SECRET.encode(), each.key)} for each in self.in_file]
        return {TENANT: {"keys": held}}

    def usable(self, held_by: Literal["file", "store"]) -> list[HeldKey]:
        return [each for each in (self.in_file if held_by == "file" else self.in_store) if each.is_untouched]

    @property
    def revoked(self) -> list[HeldKey]:
        return [each for each in (*self.in_file, *self.in_store) if each.revoked is not None]

    def pick(self, chance: random.Random, revoked_share: float) -> HeldKey:
        """Any key a client may have: half of them the store's, some revoked long ago."""
        if self.revoked and chance.random() < revoked_share:
            return chance.choice(self.revoked)
        in_store = self.usable("store")
        if in_store and chance.random() < 0.5:
            return chance.choice(in_store[-12:])
        # Few of the file's, so that those that are revoked have been in use.
        return chance.choice(self.usable("file")[:12])
