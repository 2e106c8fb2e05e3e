# SPDX-License-Identifier: Apache-2.0
"""What the OpenAPI document cannot say, told to schemathesis: it makes no request that is wrong for these reasons alone."""

import hashlib
import re

import schemathesis

# Beyond 18 hours; no clock of this world is more than 14 hours from UTC.
FAR_OFFSET = re.compile(r"[+-](1[89]|2[0-3]):[0-5][0-9]$")

# Names of what was created, by id.
NAMES = {}


@schemathesis.hook
def after_call(context, case, response):
    """Remembers what a token is called, and an app."""
    if case.operation.method.upper() == "POST" and case.operation.path in ("/tokens", "/apps") and response.status_code == 201:
        created = response.json()
        created = created.get("token", created)
        NAMES[created["id"]] = created["name"]


@schemathesis.hook
def filter_query(context, query):
    """RFC 3339 writes offsets up to 23:59; Foundation, which reads them, knows time zones up to 18:00."""
    return not any(isinstance(value, str) and FAR_OFFSET.search(value) for value in (query or {}).values())


@schemathesis.hook
def filter_body(context, body):
    """Limits that depend on each other."""
    limits = body.get("limits") if isinstance(body, dict) else None
    if not isinstance(limits, dict):
        return True
    memory, high = limits.get("memoryBytes"), limits.get("memoryHighBytes")
    if isinstance(high, (int, float)) and isinstance(memory, (int, float)) and high > memory:
        return False
    return limits.get("cpuBurst") is None


@schemathesis.hook
def before_call(context, case, kwargs):
    """Says the same in a way that schemathesis understands.

    An app or token is found by its name and by its id, which schemathesis takes for two things: what it has removed by the
    name it then misses by the id. So it goes by the name. A followed stream ends when its client leaves, and schemathesis
    never does. A bundle's name is the SHA-256 of what it holds."""
    name = case.path_parameters.get("name") if isinstance(case.path_parameters, dict) else None
    if isinstance(name, str) and name in NAMES:
        case.path_parameters["name"] = NAMES[name]
    if isinstance(case.query, dict) and str(case.query.get("follow", "false")).lower() in ("true", "1", ""):
        del case.query["follow"]
    limits = case.body.get("limits") if isinstance(case.body, dict) else None
    if isinstance(limits, dict) and not filter_body(context, case.body):
        # Cases of the coverage phase do not pass the filter.
        case.body = {**case.body, "limits": {**limits, "memoryHighBytes": None, "cpuBurst": None}}
    positive = case.meta is None or case.meta.generation.mode.is_positive
    if positive and case.operation.method.upper() == "PUT" and "{digest}" in case.operation.path:
        content = getattr(case.body, "data", case.body)
        content = content if isinstance(content, bytes) else b""
        case.path_parameters = {"digest": hashlib.sha256(content).hexdigest()}
