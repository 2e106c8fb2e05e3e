# SPDX-License-Identifier: Apache-2.0
"""What the OpenAPI document cannot say, told to schemathesis: it makes no request that is wrong for these reasons alone."""

import hashlib

import schemathesis


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
    """A followed stream ends when its client leaves, and schemathesis never does. A bundle's name is the SHA-256 of
    what it holds."""
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
