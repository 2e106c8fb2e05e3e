# SPDX-License-Identifier: Apache-2.0
"""A JSON schema in words, for the reference pages of docs/."""

import json

from reference_source import code

# Longer ones say less than their field's description.
LONGEST_PATTERN = 40
SIZES = [(1 << 50, "Pi"), (1 << 40, "Ti"), (1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")]


def anchor(name):
    """Where GitHub puts a heading's name."""
    return "#" + name.lower()


def number(value, unit=""):
    """As people write it: bytes (`B`) in powers of 1024, seconds (`s`) with their unit."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    for size, prefix in SIZES if unit == "B" else []:
        if value and value % size == 0:
            return f"{value // size} {prefix}B"
    return (f"{value:,}" if isinstance(value, int) else f"{value:g}") + (" s" if unit == "s" else "")


def between(schema, least, most, unit=""):
    low, high = schema.get(least), schema.get(most)
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f"at most {number(high, unit)}" if low is None else f"{number(low, unit)} or more"
    return f"{number(low, unit)} to {number(high, unit)}"


def join(*parts):
    return ", ".join(part for part in parts if part)


def shape(schema, name=""):
    """What a value may be, in words; the name of a field tells whether a number is one of bytes or seconds."""
    if "$ref" in schema:
        target = schema["$ref"].rsplit("/", 1)[1]
        return f"[{target}]({anchor(target)})"
    if "enum" in schema:
        return ", ".join(code(word) for word in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return "; or ".join(dict.fromkeys(shape(one, name) for one in schema[several]))
    kind = schema.get("type")
    if kind == "string":
        return text_shape(schema)
    if kind in ("integer", "number"):
        unit = "B" if "Bytes" in name else "s" if name.endswith("Seconds") else ""
        return join(kind, between(schema, "minimum", "maximum", unit))
    if kind == "boolean":
        return "boolean"
    if kind == "null":
        return "null"
    if kind == "array":
        most = schema.get("maxItems")
        return join(f"list of {shape(schema.get('items', {}))}", f"at most {number(most)}" if most else "")
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"object of {shape(values)}" if isinstance(values, dict) else "object"
    return code(json.dumps(schema)) if schema else "anything"


def text_shape(schema):
    if schema.get("format") == "date-time":
        return "time (RFC 3339)"
    if schema.get("format") == "binary":
        return "bytes"
    pattern = schema.get("pattern", "")
    size = between(schema, "minLength", "maxLength")
    readable = 0 < len(pattern) <= LONGEST_PATTERN and "\\u" not in pattern
    return join("text", f"{size} characters" if size else "", code(pattern) if readable else "")
