#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/api.md from the description that paasd serves at /openapi.json: `api-reference.py DIRECTORY >docs/api.md`.

DIRECTORY holds the built programs, such as .build/release.
"""

import sys

from reference_source import code, openapi, text
from schema_text import shape

HEAD = """# API

Every operation of `paasd`, from its own description, `GET /openapi.json`. Written by `deploy/lib/api-reference.py`; a test
compares. How changes, lists and streams work, and who may what, is in [Architecture](architecture.md#the-api). Over TCP every
operation wants `Authorization: Bearer TOKEN`, except those marked *open*.

A field with `?` may be missing. Later versions may add fields to answers. Requests with a field that is not listed are refused.
"""
METHODS = ["get", "head", "post", "put", "patch", "delete"]


def inner(schema):
    """The object that a field's value is, or that its list holds, and the mark for that."""
    for several in ("anyOf", "oneOf"):
        for one in schema.get(several, []):
            found, mark = inner(one)
            if found:
                return found, mark
    if schema.get("type") == "array":
        found, mark = inner(schema.get("items", {}))
        return found, "[]" + mark
    return (schema, "") if schema.get("properties") else (None, "")


def fields(schema, prefix=""):
    """A row for each field, those of objects within with dots."""
    required = schema.get("required", [])
    for name, value in sorted(schema.get("properties", {}).items()):
        mark = "" if name in required else "?"
        yield f"| {code(prefix + name + mark)} | {shape(value, name)} | {text(value.get('description'))} |"
        found, dots = inner(value)
        if found:
            yield from fields(found, f"{prefix}{name}{dots}.")


def table(rows):
    return ["", "| | | |", "|---|---|---|", *rows] if rows else []


def describe_schema(name, schema, lines):
    lines += ["", f"### {name}"]
    if schema.get("description"):
        lines += ["", text(schema["description"])]
    lines += table(list(fields(schema)))
    if not schema.get("properties"):
        lines += ["", shape(schema)[:1].upper() + shape(schema)[1:] + "."]


def content(described):
    """Media types and what they hold."""
    shown = []
    for kind, value in sorted(described.get("content", {}).items()):
        schema = value.get("schema", {})
        shown.append(code(kind) + ("" if schema in ({}, {"type": "string"}) else f": {shape(schema)}"))
    return "; ".join(shown)


def describe_operation(path, method, operation, shared, lines):
    opened = " *open*" if operation.get("security") == [] else ""
    lines += ["", f"### `{method.upper()} {path}`", "", f"{text(operation.get('summary'))}.{opened}"]
    rows = [f"| {code(one['name'])} | path | {text(one.get('description'))} |" for one in shared]
    rows += [
        f"| {code(one['name'])} | {one['in']}, {shape(one.get('schema', {}))} | {text(one.get('description'))} |"
        for one in operation.get("parameters", [])
    ]
    body = operation.get("requestBody")
    if body:
        rows.append(f"| body{'' if body.get('required') else '?'} | {content(body)} | |")
        for value in list(body.get("content", {}).values())[:1]:
            found, dots = inner(value.get("schema", {}))
            rows += fields(found, f"{dots}.".lstrip(".")) if found else []
    problems = []
    for status, answer in sorted(operation.get("responses", {}).items()):
        if status >= "4":
            problems.append(status)
            continue
        headers = [f"{code(name)}: {text(header.get('description'))}" for name, header in sorted(answer.get("headers", {}).items())]
        rows.append(f"| **{status}** | {content(answer) or 'no body'} | {' '.join(headers)} |")
    lines += table(rows)
    lines += ["", "Problems: " + ", ".join(problems) + "."]


def main():
    document = openapi(sys.argv[1])
    lines = [HEAD.rstrip("\n")]
    groups = {"Apps": [], "Everything else": [], "For agents": []}
    for path in sorted(document["paths"]):
        group = "Apps" if path.startswith("/apps") else "For agents" if path.startswith("/agent/") else "Everything else"
        groups[group].append(path)
    reasons = {}
    for group, paths in groups.items():
        if not paths:
            continue
        lines += ["", f"## {group}"]
        for path in paths:
            item = document["paths"][path]
            for method in sorted((name for name in item if name in METHODS), key=METHODS.index):
                describe_operation(path, method, item[method], item.get("parameters", []), lines)
                for status, answer in item[method].get("responses", {}).items():
                    if status >= "4":
                        reasons[status] = answer.get("description", "")
    lines += ["", "## Problems", "", "Errors are `application/problem+json` of the form [Problem](#problem).", "", "| | |", "|---|---|"]
    lines += [f"| {status} | {text(reason)} |" for status, reason in sorted(reasons.items())]
    lines += ["", "## Objects"]
    for name, schema in sorted(document["components"]["schemas"].items()):
        describe_schema(name, schema, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
