"""The structure of OTLP JSON: signals, each by resource and scope, and what is read of a span or a log record, as SQL."""

from __future__ import annotations

ATTRIBUTES = [
    {
        "key": "VARCHAR",
        "value": {
            "stringValue": "VARCHAR",
            "intValue": "VARCHAR",
            "doubleValue": "VARCHAR",
            "boolValue": "VARCHAR",
            "arrayValue": {"values": [{"stringValue": "VARCHAR"}]},
        },
    }
]
RESOURCE = {"attributes": ATTRIBUTES}
SPAN = {
    "traceId": "VARCHAR",
    "spanId": "VARCHAR",
    "parentSpanId": "VARCHAR",
    "name": "VARCHAR",
    "startTimeUnixNano": "VARCHAR",
    "endTimeUnixNano": "VARCHAR",
    "attributes": ATTRIBUTES,
    "status": {"code": "VARCHAR"},
}
EVENT = {
    "traceId": "VARCHAR",
    "spanId": "VARCHAR",
    "timeUnixNano": "VARCHAR",
    "observedTimeUnixNano": "VARCHAR",
    "eventName": "VARCHAR",
    "body": {"stringValue": "VARCHAR"},
    "attributes": ATTRIBUTES,
}
STRUCTURE = {
    "resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"scope": {"name": "VARCHAR"}, "spans": [SPAN]}]}],
    "resourceLogs": [{"resource": RESOURCE, "scopeLogs": [{"scope": {"name": "VARCHAR"}, "logRecords": [EVENT]}]}],
    "resourceMetrics": "JSON",
}
"""For json_transform. Of metrics nothing is read but that they are there."""


def items(array: str, scopes: str, records: str, kind: str) -> str:
    """SQL: every span or log record of a line, each with its scope and its resource."""
    return f"""flatten(list_transform({array}, lambda a: flatten(list_transform(a.{scopes}, lambda b:
                    list_transform(b.{records}, lambda s: {{
                        'kind': '{kind}', 'resource': a.resource.attributes, 'scope': b.scope.name, {_parts(kind)}}})))))"""


def _parts(kind: str) -> str:
    parts = {
        "trace_id": "s.traceId",
        "span_id": "s.spanId",
        "parent": "s.parentSpanId",
        "name": "s.name",
        "began": "nullif(s.startTimeUnixNano, '0')",
        "ended": "nullif(s.endTimeUnixNano, '0')",
        "status": "s.status.code",
        "attributes": "s.attributes",
    }
    if kind == "event":
        parts |= {
            # An event of the conventions tells what its span tells; other events of one span tell of a call each.
            "trace_id": "CASE WHEN starts_with(s.eventName, 'gen_ai.') THEN s.traceId END",
            "name": "coalesce(nullif(s.eventName, ''), s.body.stringValue)",
            "began": "coalesce(nullif(s.timeUnixNano, '0'), nullif(s.observedTimeUnixNano, '0'))",
            "parent": "NULL::VARCHAR",
            "ended": "NULL::VARCHAR",
            "status": "NULL::VARCHAR",
        }
    return ", ".join(f"'{name}': {sql}" for name, sql in parts.items())


def texts(attributes: str) -> str:
    """SQL: the values of attributes, as texts."""
    return (
        f"list_transform({attributes}, lambda x: coalesce(nullif(x.value.stringValue, ''), x.value.intValue, x.value.doubleValue, "
        "x.value.boolValue, x.value.arrayValue.values[1].stringValue))"
    )
