"""Format claude_code: transcripts of a developer's sessions in the shop's repository.

A response is written as several lines (one a content block, or snapshots of the stream with growing output); a resumed
session begins with the lines of the one it resumes. Only the usage blocks are like the real thing: no text is in them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from .calls import Call, Tokens
from .dice import Dice, ident, moment, stamp, uuid
from .logfile import LogFile, compact, usage

PROJECT = "claude_code/projects/-home-ana-shop"
CWD = "/home/ana/shop"
VERSION = "2.1.329"


@dataclass(slots=True)
class Transcript:
    """A session being written, main thread or subagent."""

    name: str
    model: str
    at: datetime
    branch: str
    agent: str | None = None
    turn: int = 0
    context: int = 0
    """Tokens in the cache so far: each call reads them and writes what is new."""
    parent: str | None = None
    file: LogFile = field(init=False)
    kept: list[dict[str, object]] = field(default_factory=list)
    """The assistant lines, for a session that resumes this one."""

    def __post_init__(self) -> None:
        inside = f"/subagents/agent-{self.agent}" if self.agent else ""
        self.file = LogFile(f"{PROJECT}/{self.session}{inside}.jsonl")

    @property
    def session(self) -> str:
        return uuid("claude code session", self.name)

    def envelope(self, kind: str, *, ms: int = 0) -> dict[str, object]:
        own = uuid("claude code line", self.name, self.agent, len(self.file.lines))
        row: dict[str, object] = {
            "parentUuid": self.parent,
            "isSidechain": self.agent is not None,
            "type": kind,
            "uuid": own,
            "timestamp": stamp(self.at + timedelta(milliseconds=ms)),
            "cwd": CWD,
            "sessionId": self.session,
            "version": VERSION,
            "gitBranch": self.branch,
        }
        if self.agent:
            row["agentId"] = self.agent
        self.parent = own
        return row

    def say(self) -> None:
        """A line of the user's, or a tool's result: no call."""
        self.file.ignore(compact({**self.envelope("user"), "message": {"role": "user", "content": "…"}}))

    def synthetic(self) -> None:
        """What the client itself says when a request has failed."""
        message = {
            "id": uuid("synthetic", self.name),
            "role": "assistant",
            "model": "<synthetic>",
            "content": [{"type": "text", "text": "…"}],
            "usage": usage(Tokens()),
        }
        self.file.ignore(compact({**self.envelope("assistant"), "message": message, "isApiErrorMessage": True}))

    def answer(self, dice: Dice, new: int, *, last: bool) -> None:
        """One call of the API: a response of one to three lines."""
        hour = self.agent is None
        output = dice.whole(180, 2_600)
        tokens = Tokens(
            input=dice.whole(3, 12),
            cache_read=self.context,
            cache_write_5m=0 if hour else new,
            cache_write_1h=new if hour else 0,
            output=output,
        )
        stop = "end_turn" if last else "tool_use"
        snapshots = dice.pick(("one", "blocks", "blocks", "growing"))
        if snapshots == "growing":
            partial = dice.whole(3, 40)
            lines = [(0, partial, None, "text"), (180, partial, None, "text"), (900, output, stop, "tool_use")]
        elif snapshots == "blocks":
            lines = [(0, output, stop, "text"), (9, output, stop, "tool_use")]
        else:
            lines = [(0, output, stop, "tool_use")]
        ids = ("claude code", self.name, self.agent, self.turn)
        for n, (ms, count, reason, kind) in enumerate(lines):
            counted = Tokens(tokens.input, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h, count)
            row = {
                **self.envelope("assistant", ms=ms),
                "requestId": ident("req_011C", *ids),
                "message": {
                    "id": ident("msg_01", *ids, length=22),
                    "type": "message",
                    "role": "assistant",
                    "model": self.model,
                    "content": [{"type": kind}],
                    "stop_reason": reason,
                    "usage": usage(counted, geo="global"),
                },
            }
            self.kept.append(row)
            if n == 0:
                self.file.call(Call(self.at, None, self.model, tokens), compact(row))
            else:
                self.file.duplicate(compact(row))
        self.turn += 1
        self.context += new
        self.at += timedelta(seconds=dice.whole(9, 75), milliseconds=dice.whole(0, 999))

    def work(self, dice: Dice, turns: int, first: int) -> None:
        """A prompt of `first` tokens, then as many calls as it takes."""
        for turn in range(turns):
            self.say()
            self.answer(dice, first if turn == 0 else dice.whole(900, 6_200), last=turn == turns - 1)


def files() -> list[LogFile]:
    """A refactoring with a subagent, its resumption a day later, and a fix in another week."""
    dice = Dice("claude code")
    refactoring = Transcript("refactoring", "claude-opus-5-5", moment(date(2026, 10, 14), 9, 12, 5), "checkout-v2")
    refactoring.work(dice, 17, 19_400)
    explorer = Transcript("refactoring", "claude-haiku-5-5", refactoring.at, "checkout-v2", agent="a41c09e7")
    explorer.work(dice, 6, 8_700)
    refactoring.at = explorer.at
    refactoring.synthetic()
    refactoring.work(dice, 9, 5_200)

    resumed = Transcript("resumed", "claude-opus-5-5", moment(date(2026, 10, 15), 8, 40, 31), "checkout-v2")
    for row in refactoring.kept[-12:]:
        resumed.file.duplicate(compact({**row, "sessionId": resumed.session}))
    # the cache of yesterday is gone: the whole context is written once more
    resumed.work(dice, 11, refactoring.context)

    fix = Transcript("fix", "claude-sonnet-5-5", moment(date(2026, 11, 18), 13, 2, 44), "fix/postcodes")
    fix.work(dice, 14, 19_400)
    return [transcript.file for transcript in (refactoring, explorer, resumed, fix)]
