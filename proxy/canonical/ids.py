"""Ids clients see: always ours. Derived from one random seed per request, so that encoders stay pure."""

import hashlib
import re

_OURS = re.compile(r"call_[0-9A-Za-z]{24}\Z")


def derived(length: int, *parts: object) -> str:
    """`length` alphanumerics (at most 64), a function of `parts` only."""
    return hashlib.sha256("\x00".join(map(str, parts)).encode()).hexdigest()[:length]


def item_id(prefix: str, seed: str, index: int) -> str:
    """The id of output item number `index`: `msg_`, `rs_`, `fc_`, `ctc_` + the seed and the number, alphanumerics."""
    return f"{prefix}{seed}{index:010x}"


def call_id(seed: str, block: int, upstream: str) -> str:
    """The tool call id a client sees: `call_` + 24 alphanumerics. One that has that form already is kept."""
    return upstream if _OURS.match(upstream) else "call_" + derived(24, seed, block, upstream)


def fitted_call_id(ours: str, alphabet: str, length: int) -> str:
    """`ours` in a provider's narrower alphabet: the same input always gives the same id, so no state is kept."""
    number = int.from_bytes(hashlib.sha256(ours.encode()).digest(), "big")
    out = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        out.append(alphabet[digit])
    return "".join(out)
