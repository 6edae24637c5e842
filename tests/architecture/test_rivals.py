"""Failures of other gateways that can concern this one: each has a number, and a test with that number in its name."""

from tests.architecture.source import definitions, module, modules

# What went wrong elsewhere, and where that can be read.
FAILURES = {
    # Falling back.
    "F01": "a stream that is cut, stalls or has one broken frame gets no fallback (BerriAI/litellm#40404)",
    "F02": "a cut stream ends like a whole one (Portkey-AI/gateway#1797)",
    "F03": "an error after response.created goes to the client (maximhq/bifrost#5395)",
    "F04": "only one wire, or only streams, fall back (BerriAI/litellm#28216)",
    "F05": "retries without fallbacks never happen (BerriAI/litellm#29808)",
    "F06": "an answer counts as begun before its first content (BerriAI/litellm#26067)",
    "F07": "a 400 about the prefill hides the real error (BerriAI/litellm#27967)",
    "F08": "falling back although the request forbade it (BerriAI/litellm#19077)",
    "F09": "text is said twice after a continuation (BerriAI/litellm#32835)",
    "F10": "a thinking block with an empty signature (BerriAI/litellm#38153)",
    "F11": "failures without a status match no policy (Portkey-AI/gateway#165)",
    "F12": "a 200 that is no answer is returned as one (Portkey-AI/gateway#267)",
    "F13": "a guardrail's verdict is no outcome of an attempt (Portkey-AI/gateway#1205)",
    "F14": "a page of HTML, or a request that cannot be sent twice, gets no fallback (maximhq/bifrost#4005)",
    "F15": "the state of a failed attempt leaks into the next (maximhq/bifrost#2897)",
    "F16": "a 429 or 529 is final (api7/aisix#46, free-coding-models#148)",
    "F17": "a fallback that is configured can never happen, silently (envoyproxy/ai-gateway#1866)",
    "F18": "no fallback from model to model, or in a circle (tensorzero#2907)",
    "F19": "an empty answer cannot be asked for again (tensorzero#3799, onwards#207)",
    "F20": "a stream made lazily fails outside the loop that would fall back (mlflow#25268)",
    "F21": "overloaded as the first event of a 200 (BerriAI/litellm#6957)",
    # The events of Responses.
    "R01": "a delta of an item that was never announced (BerriAI/litellm#41185)",
    "R02": "items overlap, and members equal to their default are missing (BerriAI/litellm#38654)",
    "R03": "items end out of order (BerriAI/litellm#36356)",
    "R04": "content_part.added is missing (BerriAI/litellm#24445)",
    "R05": "a stream begins with a delta (BerriAI/litellm#22102)",
    "R06": "completed comes before created (BerriAI/litellm#9545)",
    "R07": "a reasoning summary without its item (maximhq/bifrost#5169)",
    "R08": "an added message without content (maximhq/bifrost#6455)",
    "R09": "unknown items are refused (maximhq/bifrost#4596)",
    "R10": "output_text.done is missing (ogx-ai/ogx#5309)",
    "R11": "parallel calls share an index (BerriAI/litellm#21331)",
    "R12": "an empty list of choices is a 500 (BerriAI/litellm#40294)",
    "R13": "an error beside an empty list of choices is an empty chunk (onwards#199)",
    "R14": "malformed reasoning is accepted, a documented short form is not (doublewordai/onwards#253)",
    "R15": "the id of a stored response changes with each look (BerriAI/litellm#17204)",
    # Latency, memory, metrics.
    "P01": "memory grows with every stream (BerriAI/litellm#12685)",
    "P02": "pictures are decoded on their way (BerriAI/litellm#13546)",
    "P03": "waiting for the event loop is not measured (BerriAI/litellm docs, latency_overhead)",
    "P04": "invented model names make series for ever (BerriAI/litellm#12159)",
    "P05": "sums of several processes go backwards (BerriAI/litellm#10595)",
    "P06": "silence is cut by load balancers (BerriAI/litellm#14953)",
    "P07": "a stalled provider holds a connection for a quarter of an hour (tensorzero#6328)",
    "P08": "the client is gone, the provider goes on (BerriAI/litellm#30245)",
    "P09": "frames cut in odd places are misread (praxis#739, katanemo/plano#980)",
    "P10": "a deadline holds for each attempt anew (openai-python#3828, BerriAI/litellm#7303)",
    # Cooling down.
    "C01": "a later, longer wait does not extend the first (BerriAI/litellm#40130)",
    "C02": "the provider's wait does not reach the client (BerriAI/litellm#21553)",
    "C03": "every repetition waits as long as the first failure said (BerriAI/litellm#20722)",
    "C04": "an instant 429 where a short wait would do (BerriAI/litellm#3646)",
    "C05": "timeouts without a status, and storms of log lines (BerriAI/litellm#7779)",
    "C06": "what the caller caused opens breakers (BerriAI/litellm, cooldown rules)",
}
NOT_OURS = {
    "F13": "there are no guardrails",
    "R15": "no response is stored yet, so none can be looked at",
}


def named(names: list[str]) -> set[str]:
    """The numbers in the names of tests."""
    return {word.upper() for name in names if name.startswith("test_") for word in name.split("_")} & FAILURES.keys()


def test_every_failure_has_a_test_of_its_name():
    names = [node.name for found in modules("tests") for node in definitions(found.tree)]
    assert sorted(FAILURES.keys() - NOT_OURS.keys() - named(names)) == []


def test_what_does_not_concern_us_is_not_tested_all_the_same():
    names = [node.name for found in modules("tests") for node in definitions(found.tree)]
    assert NOT_OURS.keys() & named(names) == set()


def test_a_number_is_found_in_a_name():
    sample = module(
        "def test_f09_r02_twice(): ...\nclass C:\n  async def test_tool_calls_R11(self): ...\ndef f01(): ..."
    )
    assert named([node.name for node in definitions(sample.tree)]) == {"F09", "R02", "R11"}
