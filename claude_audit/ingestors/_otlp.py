"""The structure of OTLP JSON: signals, each by resource and scope, and what is read of a span or a log record."""

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
