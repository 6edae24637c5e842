"""Templates: what they learn, what they refuse."""

import pytest

from proxy.vocabularies.responses.patching import Template, learn

KIND = b"response.output_text.delta"
COMPACT = b'{"type":"response.output_text.delta","sequence_number":%d,"item_id":"up","output_index":0,"delta":%b}'
SPACED = b'{"type": "response.output_text.delta", "item_id": "up", "sequence_number": %d, "delta": %b, "logprobs": []}'


def learned(payload: bytes) -> Template | None:
    return learn(payload, KIND, b'"up"', b'"ours"')


@pytest.mark.parametrize("form", [COMPACT, SPACED])
def test_only_number_and_id_change(form: bytes):
    template = learned(form % (4, b'"a"'))
    assert template is not None
    words = rb'"say \"sequence_number\":9, \"item_id\":\"up\" \n"'
    patched = template.apply(form % (123, words), 7)
    assert patched == b"event: %b\ndata: %b\n\n" % (KIND, (form % (7, words)).replace(b'"up"', b'"ours"', 1))


@pytest.mark.parametrize(
    "payload",
    [
        COMPACT.replace(b"%d", b"x") % b'"a"',
        b'{"type":"response.output_text.delta","delta":"a","sequence_number":4,"item_id":"up"}',
        b'{"type":"response.output_text.delta","sequence_number":4,"item_id":"other","delta":"a"}',
        b'{"type":"response.refusal.delta","sequence_number":4,"item_id":"up","delta":"a"}',
        b"",
    ],
)
def test_what_cannot_be_learned(payload: bytes):
    assert learned(payload) is None


@pytest.mark.parametrize(
    "payload",
    [
        COMPACT.replace(b"output_text", b"refusal") % (5, b'"a"'),
        COMPACT.replace(b'"output_index":0', b'"output_index":1') % (5, b'"a"'),
        COMPACT.replace(b"%d", b"-5") % b'"a"',
        COMPACT.replace(b",", b",\n") % (5, b'"a"'),
        COMPACT % (5, b'"a"\n'),
        b"",
    ],
)
def test_frames_unlike_the_learned_one_are_left_to_others(payload: bytes):
    template = learned(COMPACT % (4, b'"a"'))
    assert template is not None
    assert template.apply(payload, 7) is None
