"""Formats csv and text: the marketing team's home-made cost table, and the log of a worker."""

from __future__ import annotations

from datetime import date

from .calls import Call, Tokens
from .dice import CUSTOMERS, DAYS, OFFICE, Dice, after, growth, ident, moment, sonnet
from .logfile import LogFile

GATEWAY_SINCE = date(2026, 10, 15)
"""From this day on the newsletter goes through LiteLLM, and the table ends."""
MODEL_LOGGED_SINCE = date(2026, 9, 18)
"""Before, the worker's log line did not name the model."""


def usage_csv() -> LogFile:
    """`estimated_cost` is the team's own sum at a price that is not the right one; no cache columns at all."""
    file = LogFile("csv/usage.csv")
    file.header("timestamp,endpoint,model,input_tokens,output_tokens,estimated_cost,user")
    dice = Dice("csv")
    for day in DAYS:
        if day >= GATEWAY_SINCE:
            break
        at = moment(day, 9, dice.whole(0, 59), dice.whole(0, 59))
        for _ in range(dice.count(7.5 * OFFICE[day.weekday()] * growth(day))):
            tokens = Tokens(input=dice.whole(5_200, 14_000), output=dice.whole(900, 3_400))
            cents = (tokens.input * 8 + tokens.output * 24) // 10_000
            file.call(
                Call(at, "newsletter", "claude-sonnet-4-5", tokens),
                f"{at:%Y-%m-%dT%H:%M:%S},newsletter,claude-sonnet-4-5,{tokens.input},{tokens.output},"
                f"{cents // 100}.{cents % 100:02d},{dice.pick(('staff-11', 'staff-12'))}",
            )
            at = after(at, dice, 240, 3_000)
    return file


def worker_log() -> LogFile:
    """Marketplace reviews: short, simple, on a Sonnet. Between the calls, what a worker says otherwise."""
    file = LogFile("text/worker.log")
    dice = Dice("worker")
    for day in DAYS:
        at = moment(day, 5, 30, dice.whole(0, 5))
        file.ignore(f"{at:%Y-%m-%d %H:%M:%S},{dice.whole(0, 999):03d} INFO larkspur.worker queue opened")
        calls = dice.count(5.2 * CUSTOMERS[day.weekday()] * growth(day))
        for n in range(calls):
            at = after(at, dice, 2, 2_400)
            tokens = Tokens(input=dice.whole(780, 1_720), output=dice.whole(5, 38))
            start = f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d} INFO larkspur.worker "
            if day < MODEL_LOGGED_SINCE:
                file.call(
                    Call(at, "classify_review", None, tokens),
                    f"{start}API call [classify_review]: {tokens.input} input, {tokens.output} output tokens",
                )
            else:
                file.call(
                    Call(at, "classify_review", sonnet(day), tokens),
                    f"{start}claude call endpoint=classify_review model={sonnet(day)} input_tokens={tokens.input} "
                    f"output_tokens={tokens.output} cache_read_input_tokens=0 cache_creation_input_tokens=0 "
                    f"latency_ms={dice.whole(700, 1_600)} request_id={ident('req_011C', 'worker', day, n)}",
                )
        if day.weekday() == 6:
            at = after(at, dice, 600, 1_200)
            file.ignore(
                f"{at:%Y-%m-%d %H:%M:%S},000 INFO larkspur.worker classify_review: {calls} calls, avg 1250 in / 21 out"
            )
    return file


def files() -> list[LogFile]:
    return [usage_csv(), worker_log()]
