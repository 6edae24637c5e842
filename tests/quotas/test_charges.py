"""What a request is charged, by how it ended."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.usage import Usage
from proxy.quotas.charges import Charged, Ending, Reserve, charged
from proxy.quotas.credits import Parts

RESERVE = Reserve(1000, 400)
REPORTED = Usage(input_tokens=100, output_tokens=20, cache_read_tokens=60, reasoning_tokens=5)
EARLY = Usage(input_tokens=100, output_tokens=1, cache_read_tokens=60)
SPLIT = Parts(input=40, cache_read=60, output=15, reasoning=5)


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        pytest.param(Ending(False, False, Usage(), False, 0), Charged("released", Parts()), id="nobody answered"),
        pytest.param(Ending(True, True, REPORTED, True, 3), Charged("actual", SPLIT), id="whole and told"),
        pytest.param(Ending(True, False, REPORTED, True, 3), Charged("actual", SPLIT), id="cut after the last report"),
        pytest.param(
            Ending(True, False, EARLY, False, 90),
            Charged("estimated", Parts(input=40, cache_read=60, output=90)),
            id="cut after an early report",
        ),
        pytest.param(
            Ending(True, False, Usage(), False, 90), Charged("estimated", Parts(input=1000, output=90)), id="never told"
        ),
        pytest.param(
            Ending(True, True, Usage(), False, 7),
            Charged("estimated", Parts(input=1000, output=50)),
            id="whole, not told",
        ),
        pytest.param(
            Ending(True, True, Usage(input_tokens=0, output_tokens=0), True, 7),
            Charged("estimated", Parts(input=1000, output=50)),
            id="told to be nothing",
        ),
        pytest.param(
            Ending(True, False, Usage(), False, 9999),
            Charged("estimated", Parts(input=1000, output=400)),
            id="at most the reserve",
        ),
        pytest.param(
            Ending(True, False, Usage(output_tokens=70), False, 60),
            Charged("estimated", Parts(input=1000, output=70)),
            id="at least what was told so far",
        ),
    ],
)
def test_by_how_it_ended(ending: Ending, expected: Charged):
    assert charged(ending, RESERVE) == expected


figures = st.none() | st.integers(0, 10_000)


@given(st.booleans(), st.booleans(), st.booleans(), figures, figures, st.integers(0, 10_000))
def test_q10_q11_neither_nothing_nor_more_than_was_held(
    began: bool, whole: bool, final: bool, prompt: int | None, output: int | None, relayed: int
):
    found = charged(Ending(began, whole, Usage(prompt, output), final, relayed), RESERVE)
    assert (found.parts.tokens == 0) == (not began)
    if found.method == "estimated":
        assert found.parts.output + found.parts.reasoning <= RESERVE.output
        assert found.parts.prompt == (prompt or RESERVE.prompt)
