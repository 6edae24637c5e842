"""The scenes of the walk-through. Each asks Segue something real, shows what arrives, and checks that it was right."""

from proxy.demo.caller import PATHS, Answer, Caller, Question
from proxy.demo.narration import Narrator

_EVENTS = {"segue-fallback-events": "events"}


class Surprise(Exception):
    """What arrived is not what the scene is there to show."""


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise Surprise(f"This should have shown {what}, but did not.")


async def _stream(caller: Caller, narrator: Narrator, question: Question) -> Answer:
    narrator.question(question)
    answer = await caller.ask(question, narrator.frame)
    if answer.refusal:
        narrator.refusal(answer)
    else:
        narrator.outcome(answer)
    return answer


async def ordinary(caller: Caller, narrator: Narrator) -> None:
    narrator.title("1  An ordinary stream")
    narrator.prose(
        "A Responses client in front of a Responses provider: frames pass as they come, with our ids.\n"
        "The provider pauses 60 ms before each piece of its answer."
    )
    answer = await _stream(caller, narrator, Question("responses", "demo", "Frames pass as they come."))
    _expect(answer.text.endswith("as they come.") and answer.of("response.completed") is not None, "a whole answer")
    _expect(answer.account.get("served_by") is not None, "who served it")


async def fallback(caller: Caller, narrator: Narrator) -> None:
    narrator.title("2  The first provider dies, the second answers")
    narrator.prose(
        "The first provider says 200, opens its stream, and fails before its first word.\n"
        "Nothing of it has gone out, so the second answers in its place. That one speaks Anthropic's Messages;\n"
        "the client still reads Responses."
    )
    question = Question("responses", "demo-fallback", "Somebody always answers.", _EVENTS)
    answer = await _stream(caller, narrator, question)
    _expect(answer.of("segue:fallback_start") is not None, "a fallback")
    _expect(answer.text.endswith("always answers.") and answer.of("response.completed") is not None, "a whole answer")


async def exhausted(caller: Caller, narrator: Narrator) -> None:
    narrator.title("3  Nobody answers")
    narrator.prose("Every candidate is rate-limited. No byte has gone out, so the client gets an honest HTTP status.")
    answer = await _stream(caller, narrator, Question("responses", "demo-exhausted", "Anybody?"))
    _expect(answer.status == 429 and "retry-after" in answer.headers, "a 429 with retry-after")
    narrator.blank()
    narrator.prose("With `announce: eager` the stream is open before anybody was asked: then the stream says it.")
    answer = await _stream(caller, narrator, Question("responses", "demo-eager", "Anybody?", _EVENTS))
    _expect(answer.of("segue:fallback_exhausted") is not None, "an exhausted chain")
    _expect(answer.frames[-1].event == "response.failed", "response.failed at the end")


async def elsewhere(caller: Caller, narrator: Narrator) -> None:
    narrator.title("4  The same through Chat Completions and Messages")
    narrator.prose(
        "A 503, and the next candidate answers. Clients that may choke on an unknown event get an SSE comment."
    )
    for vocabulary in PATHS:
        question = Question(vocabulary, "demo-overloaded", "Same story.", {"segue-fallback-events": "comments"})
        answer = await caller.ask(question)
        narrator.question(question)
        narrator.say((f"“{answer.text}”", "bold"), indent=2)
        for frame in answer.frames:
            if "fallback_start" in frame.comment:
                narrator.say((f": {frame.comment}", "yellow"), indent=2)
        _expect(answer.text.endswith("Same story."), "a whole answer")
        _expect(any("fallback_start" in frame.comment for frame in answer.frames), "a fallback told in a comment")


async def recovered(caller: Caller, narrator: Narrator) -> None:
    narrator.title("5  It breaks in the middle, and is whole all the same")
    narrator.prose(
        "The connection dies after three words, which are with the client already. `midstream: continue` has another\n"
        "model go on where it broke: more of the same item, in the same numbering, and the client is told."
    )
    question = Question("responses", "demo-continued", "Every word arrives once.", _EVENTS)
    answer = await _stream(caller, narrator, question)
    _expect(answer.of("segue:fallback_start") is not None, "a change of hands")
    _expect(answer.text == "You said: Every word arrives once.", "every word once")
    _expect(answer.of("response.completed") is not None, "a whole answer")
    narrator.blank()
    narrator.prose("And a 503 that passes: the same provider is asked again at once, and the client sees an answer.")
    question = Question("responses", "demo-retried", "Try again.")
    answer = await caller.ask(question)
    narrator.question(question)
    narrator.say((f"“{answer.text}”", "bold"), indent=2)
    narrator.outcome(answer)
    served_by = str(answer.account.get("served_by"))
    _expect(served_by.startswith("first/") and answer.text == "You said: Try again.", "a retry")
