"""Where members are, in the bytes of a JSON object."""

import pytest

from proxy.vocabularies.chat.spans import leading, members


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b'{"id":"x","created":1,"model":"m","choices":[]}', ["id", "created", "model"]),
        (b' { "id" : "x" ,\n"created": -1.5e3, "usage": null, "choices": []}', ["id", "created", "usage"]),
        (b'{"id":"a\\"b","model":"m"}', []),
        (b'{"id":"x","choices":[],"model":"m"}', ["id"]),
        (b'{"id":"x"}', []),
        (b"{}", []),
    ],
)
def test_the_plain_members_at_the_beginning(text, names):
    found = leading(text)
    assert list(found) == names
    assert found == {name: span for name, span in members(text).items() if name in names}
