"""Format message_batches: the catalogue in German, through the Batch API. The day stands in the file's name only."""

from __future__ import annotations

from datetime import date

from .calls import Call, Tokens
from .dice import Dice, ident, moment
from .logfile import LogFile, compact, usage

RUNS = {date(2026, 10, 5): "claude-sonnet-5-5", date(2026, 11, 2): "claude-haiku-5-5"}
"""The second run tries the Haiku that has come out in between."""


def files() -> list[LogFile]:
    return [results(day, model) for day, model in RUNS.items()]


def results(day: date, model: str) -> LogFile:
    """One batch's results; an item that failed and one that expired are not billed."""
    file = LogFile(f"message_batches/msgbatch_{day}_results.jsonl")
    dice = Dice(f"batch/{day}")
    for n in range(46):
        name = f"de-{n:04d}"
        if n == 19:
            error = {"type": "invalid_request_error", "message": "…"}
            file.ignore(
                compact({"custom_id": name, "result": {"type": "errored", "error": {"type": "error", "error": error}}})
            )
        elif n == 38:
            file.ignore(compact({"custom_id": name, "result": {"type": "expired"}}))
        else:
            tokens = Tokens(input=dice.whole(6_000, 13_000), output=dice.whole(4_000, 9_000))
            message = {
                "id": ident("msg_01", "batch", day, n, length=22),
                "type": "message",
                "role": "assistant",
                "model": model,
                "content": [{"type": "text", "text": "…"}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": usage(tokens, tier="batch", geo="not_available"),
            }
            file.call(
                Call(moment(day, 0), None, model, tokens, batch=True),
                compact({"custom_id": name, "result": {"type": "succeeded", "message": message}}),
            )
    return file
