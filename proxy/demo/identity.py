"""Identifiers shaped like the providers' own: long, random-looking, and the same again for the same seed."""

import random
import string

_LETTERS = string.ascii_letters + string.digits


class Identity:
    """Ids of one answer. Responses ids are a prefix and 50 hex digits; the others are letters and digits."""

    def __init__(self, seed: str, created: int) -> None:
        self.created = created
        self._random = random.Random(seed)

    def hexadecimal(self, prefix: str, length: int = 50) -> str:
        return f"{prefix}{self._random.getrandbits(4 * length):0{length}x}"

    def letters(self, prefix: str, length: int) -> str:
        return prefix + "".join(self._random.choices(_LETTERS, k=length))
