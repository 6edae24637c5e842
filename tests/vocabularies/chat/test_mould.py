"""Texts are cut out of frames only where nothing else can have changed."""

import pytest

from proxy.vocabularies.chat.mould import Mould

BEFORE, AFTER = b'{"id":"x","choices":[{"index":0,"delta":{"content":', b'},"finish_reason":null}]}'


def frame(token, after=AFTER):
    return b"data: " + BEFORE + token + after + b"\n\n"


@pytest.fixture
def mould():
    mould = Mould()
    assert mould.texts(frame(b'"a"')) is None
    mould.learn(BEFORE + b'"ab"' + AFTER, "ab")
    return mould


def test_one_frame_or_many(mould):
    assert mould.texts(frame(b'"h\\u00e9\\n"')) == ["hé\n"]
    assert mould.texts(frame(b'"a"') + frame(b'" b"') + frame(b'"c"')) == ["a", " b", "c"]


@pytest.mark.parametrize(
    "run",
    [
        frame(b'""'),
        frame(b"null"),
        frame(b'"a","tool_calls":"b"'),
        frame(b'"a"', b'},"finish_reason":"stop"}]}'),
        frame(b'\n"a"'),
        frame(b'"a"\r'),
        frame(b'"a"\n\n"b"'),
        frame(b'"a"') + frame(b'"b'),
        frame(b'"a"') + frame(b'""'),
        frame(b'"a"') + frame(b'"b"\n'),
        frame(b'"a"') + b": ping\n\n" + frame(b'"b"'),
        frame(b'"a"') + frame(b'"b"', b'},"finish_reason":"stop"}]}'),
        frame(b'"a"')[:-1],
    ],
)
def test_anything_else_is_not_taken_apart(mould, run):
    assert mould.texts(run) is None


def test_an_example_that_misleads_is_not_taken():
    mould = Mould()
    misleading = b'{"extra":{"content":"ab"},"choices":[{"delta":{"content" : "ab"}}]}'
    mould.learn(misleading, "ab")
    assert mould.texts(b"data: " + misleading + b"\n\n") is None


def test_a_provider_that_pads_its_frames_is_given_up_on():
    mould = Mould()
    for padding in (b"1", b"2", b"3", b"4"):
        mould.learn(BEFORE + b'"ab"},"padding":' + padding + b"}]}", "ab")
    assert mould.texts(frame(b'"ab"', b'},"padding":4}]}')) is None
    assert mould.texts(frame(b'"ab"', b'},"padding":3}]}')) == ["ab"]
