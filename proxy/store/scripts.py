"""The Lua scripts, which are files beside this one, and how a server is asked to run them.

Every script opens with the line `#!lua flags=...` (or `#!lua` without flags) of Redis 7.0: it makes the server hold the
script to the keys it declares, and says whether the script may run when memory is full or writing is refused.
<https://redis.io/docs/latest/develop/programmability/lua-api/#script_flags>
"""

import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

_FOLDER = files(__package__).joinpath("scripts")
_HEADER = re.compile(r"#!lua(?: flags=([a-z,-]+))?")
_USES = re.compile(r"-- uses: ([a-z_]+)\n")
_FLAGS = {"no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"}
_OF_ONE_SERVER = {"no-cluster", "allow-cross-slot-keys"}


class Script:
    """`scripts/NAME.lua`. The server is asked by digest and given the text only when it does not know that: after a
    restart, a SCRIPT FLUSH, or on another node. `runs_when_full`: also at maxmemory. `writes`: is refused by a server
    that takes no writes."""

    def __init__(self, name: str, folder: Traversable = _FOLDER) -> None:
        """Raises FileNotFoundError, and ValueError for a header that Redis 7.0 would not take or that ties the script
        to a single server."""
        self.name = name
        header, _, own = folder.joinpath(f"{name}.lua").read_text().partition("\n")
        self.text = "\n".join([header, *_parts(own, folder), own]).encode()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()
        flags = _flags(name, header)
        self.writes = "no-writes" not in flags
        self.runs_when_full = not self.writes or "allow-oom" in flags

    def by_digest(self, keys: Sequence[str], arguments: Sequence[str]) -> tuple[str | bytes, ...]:
        return ("EVALSHA", self.sha, str(len(keys)), *keys, *arguments)

    def by_text(self, keys: Sequence[str], arguments: Sequence[str]) -> tuple[str | bytes, ...]:
        """The same, and the server keeps the text."""
        return ("EVAL", self.text, str(len(keys)), *keys, *arguments)

    def __repr__(self) -> str:
        return f"Script({self.name!r})"


def _parts(own: str, folder: Traversable) -> list[str]:
    """What scripts share: a second line `-- uses: NAME` has `parts/NAME.lua` stand before the rest."""
    used = _USES.match(own)
    return [folder.joinpath("parts", f"{used[1]}.lua").read_text()] if used else []


def _flags(name: str, header: str) -> set[str]:
    found = _HEADER.fullmatch(header)
    if found is None:
        raise ValueError(f"{name}.lua must begin with '#!lua' or '#!lua flags=a,b', not {header!r}")
    flags = set(found[1].split(",")) if found[1] else set()
    if unknown := flags - _FLAGS:
        raise ValueError(f"{name}.lua has flags that Redis 7.0 does not know: {', '.join(sorted(unknown))}")
    if tied := flags & _OF_ONE_SERVER:
        raise ValueError(f"{name}.lua must run in a cluster too: leave out {', '.join(sorted(tied))}")
    return flags
