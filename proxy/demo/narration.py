"""How the walk-through looks: plain lines, coloured on a terminal, never moved once they stand."""

import json
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from proxy.demo.caller import Answer, Heard, Question
from proxy.demo.frames import Json

_INDENT = "  "
_TIME_WIDTH = 9
_EVENT_WIDTH = 40
_NOTICES = {"segue:fallback_start", "segue:fallback_exhausted"}
_GOOD_ENDS = {"response.completed"}
_BAD_ENDS = {"response.failed", "error"}


class Narrator:
    """Everything goes through `say`: what others wrote (texts, models, errors) is never read as markup."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, *parts: str | tuple[str, str], indent: int = 1) -> None:
        """One line of plain or (text, style) parts; long ones run on, so that they can be copied."""
        line = Text.assemble(_INDENT * indent, *parts)
        self._console.print(line, soft_wrap=True, highlight=False)

    def title(self, text: str) -> None:
        self._console.print()
        self._console.rule(Text(text, "bold"), align="left", style="dim", characters="─")

    def prose(self, text: str) -> None:
        for line in text.splitlines():
            self._console.print(Padding(Text(line, "italic"), (0, 0, 0, len(_INDENT))), highlight=False)
        self._console.print()

    def blank(self) -> None:
        self._console.print()

    def question(self, question: Question) -> None:
        headers = "".join(f"  {name}: {value}" for name, value in question.headers.items())
        self.say(
            ("POST ", "dim"), f"/v1{question.path}", ("  model ", "dim"), (question.model, "cyan"), (headers, "dim")
        )

    def frame(self, frame: Heard) -> None:
        """One frame as it came: when, which, and what matters in it."""
        name = frame.event or ("comment" if frame.comment else "data")
        style, told = _look(name, frame)
        self.say(
            (f"{_milliseconds(frame.after):>{_TIME_WIDTH}}  ", "dim"),
            (f"{name:<{_EVENT_WIDTH}}" if told else name, style),
            (told, "bold" if frame.text else style),
        )

    def outcome(self, answer: Answer) -> None:
        """When the first text came, and what the finished object says of who did the work."""
        attempts = answer.account.get("attempts", [])
        if answer.first_token is None:
            self.say(("served by    ", "dim"), ("nobody", "red"))
        else:
            served = (str(answer.account.get("served_by")), "green")
            self.say(("first token  ", "dim"), f"after {_milliseconds(answer.first_token)}")
            self.say(("served by    ", "dim"), served)
        if len(attempts) > 1:
            self.say(("attempts     ", "dim"), f"\n{_INDENT}             ".join(map(_attempt, attempts)))

    def refusal(self, answer: Answer) -> None:
        self.say(("HTTP ", "dim"), (str(answer.status), "bold red"), indent=2)
        for name in ("retry-after", "retry-after-ms", "x-should-retry", "segue-attempts", "segue-fallback-reason"):
            if name in answer.headers:
                self.say((f"{name}: ", "dim"), answer.headers[name], indent=2)
        self.say((answer.refusal, "red"), indent=2)

    def code(self, language: str, text: str) -> None:
        """A program or command, not indented, so that it can be copied."""
        shown = Syntax(text, language, theme="ansi_dark", background_color="default").highlight(text.rstrip("\n"))
        for line in shown.split("\n"):
            self._console.print(line, soft_wrap=True, highlight=False)

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        table = Table.grid(padding=(0, 3))
        for style in ("cyan", ""):
            table.add_column(style=style, no_wrap=not table.columns)
        for row in rows:
            table.add_row(*(Text(_INDENT + cell if cell is row[0] else cell) for cell in row))
        self._console.print(table)

    def opening(self, upstream: str, base: str, took: float) -> None:
        self.title("Segue, and a scripted upstream that plays three providers")
        self.say(("upstream  ", "dim"), upstream)
        self.say(("segue     ", "dim"), base, (f"   both ready after {took:.1f} s", "dim"))

    def spoken(self, line: str) -> None:
        """A line another program printed."""
        self.say((line, "bold"), indent=2)

    def logged(self, line: str) -> None:
        """A line of Segue's log: a request in one line, anything else as it is."""
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {}
        if entry.get("event") != "request":
            self.say((line, "dim"))
            return
        tried = "; ".join(entry["attempts"])
        style = "green" if entry["outcome"] == "ok" else "red"
        when, outcome = entry["time"][11:19], entry["error"] or entry["outcome"]
        self.say(
            (f"{when}  ", "dim"),
            (entry["route"], "cyan"),
            f"  {entry['vocabulary']}  ",
            (outcome, style),
            (f"  {tried}", "dim"),
        )

    def trouble(self, text: str) -> None:
        self.blank()
        self.say((text, "bold red"))

    def last_words(self, who: str, lines: Iterable[str]) -> None:
        """What a child printed last, so that nobody has to guess."""
        for count, line in enumerate(lines):
            if not count:
                self.say((f"{who} said:", "dim"))
            self.say((line, "dim"), indent=2)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _look(name: str, frame: Heard) -> tuple[str, str]:
    """The style of a frame, and its essence in words."""
    if name in _NOTICES:
        return "bold yellow", _notice(frame.content)
    if name in _GOOD_ENDS:
        usage = (frame.content.get("response") or {}).get("usage") or {}
        return "green", f"{usage.get('input_tokens')} tokens in, {usage.get('output_tokens')} out"
    if name in _BAD_ENDS:
        error = (frame.content.get("response") or frame.content).get("error") or {}
        return "bold red", f"{error.get('code')}: {error.get('message')}"
    if frame.text:
        return "blue", f"“{frame.text}”"
    return ("yellow", frame.comment) if frame.comment else ("dim", "")


def _notice(content: Json) -> str:
    if "models_tried" in content:
        return "tried " + ", ".join(content["models_tried"])
    finer = " ".join(str(content[name]) for name in ("detail", "status") if name in content)
    return f"{content['from_model']} → {content['to_model']}: {content['reason']}" + (f" ({finer})" if finer else "")


def _attempt(attempt: Json) -> str:
    why = " ".join(str(attempt[name]) for name in ("outcome", "reason", "detail", "status") if name in attempt)
    return f"{attempt['model']} {why} at {attempt['elapsed_ms']} ms"
