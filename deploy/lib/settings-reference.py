#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/settings.md from what the programs know: `settings-reference.py DIRECTORY >docs/settings.md`.

DIRECTORY holds the built programs, such as .build/release. Keys are those that a program names when a file has a wrong one, the
text is its help, and what a field may be is in the description of the API.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from reference_source import code, command, openapi, text
from schema_text import shape

HEAD = """# Settings

Every flag, variable and key, from the programs themselves. Written by `deploy/lib/settings-reference.py`; a test compares. Which
of them wins, and what they are for, is in [Configuration](configuration.md).
"""
# Those of the three programs; `run` is what the daemons do unless told otherwise.
PROGRAMS = [("paasd", "run", []), ("agent", "run", []), ("paas", "status", ["status"])]


def known_keys(directory, program, arguments, name="settings.toml"):
    """The keys of a file, as the error about a wrong one lists them."""
    with tempfile.TemporaryDirectory(prefix="paas-reference-") as home:
        (Path(home) / name).write_text("not-a-key = 1\n")
        done = subprocess.run(
            [(Path(directory) / program).resolve(), *arguments], cwd=home, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"known keys are (.*)", done.stderr)
    if not found:
        sys.exit(f"{program} does not name its keys: {done.stderr}")
    return found.group(1).split(", ")


def options(tree, *path):
    """The arguments of a command by their long names; a positional one by the name of its value."""
    for name in path:
        tree = next(child for child in tree["subcommands"] if child["commandName"] == name)
    found = {}
    for argument in tree["arguments"]:
        names = [name["name"] for name in argument.get("names") or [] if name["kind"] == "long"] or [argument["valueName"]]
        found[names[0]] = argument
    return found


def meaning(argument, with_values=True):
    words = with_values and argument.get("allValues")
    parts = [text(argument.get("abstract")), "Values: " + ", ".join(map(code, words)) + "." if words else ""]
    return " ".join(part for part in parts if part)


def variable(key):
    return "PAAS_" + re.sub(r"[-.]", "_", key).upper()


def program_table(directory, program, verb, arguments, without):
    """Rows of a program's settings; those of its tables such as `[default]` are one row."""
    flags = options(command(directory, program), verb)
    keys = known_keys(directory, program, [*arguments, "--config", "settings.toml"])
    plain = [key for key in keys if "." not in key and key not in without]
    tables = sorted({key.partition(".")[0] for key in keys if "." in key})
    for key in [*(name for name in flags if name in plain), *sorted(set(plain) - set(flags)), *tables]:
        argument = flags[key]
        flag = code(f"--{key} {argument['valueName']}")
        if key in tables:
            yield f"| {flag} | {code(variable(key) + '_…')} | {code(f'[{key}]')} | {meaning(argument)} |"
        else:
            yield f"| {flag} | {code(variable(key))} | {code(key)} | {meaning(argument)} |"


def described_fields(document):
    """Name in the API and schema of each field of an app, by its option."""
    new = document["components"]["schemas"]["NewApp"]["properties"]
    found = {}
    for name, schema in new.items():
        option = re.sub(r"(?<!^)([A-Z])", lambda match: "-" + match.group(1).lower(), name.removesuffix("Seconds"))
        found[option] = (name, schema)
    for group in ("limits", "lifecycle"):
        objects = [one for one in new[group]["anyOf"] if one.get("type") == "object"]
        for name, schema in objects[0]["properties"].items():
            found[schema["x-option"]] = (f"{group}.{name}", schema)
    return found


def allowed(schema, name):
    """What a field may be. Null, which stands for the default, is not written in a file."""
    several = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return shape({**schema, "anyOf": several} if "anyOf" in schema else schema, name)


def app_rows(directory, keys, fields):
    flags = options(command(directory, "paas"), "deploy")
    for key in keys:
        option = key.rpartition(".")[2]
        name, schema = fields.get(option, (None, {}))
        yield f"| {code(option)} | {code(name)} | {allowed(schema, name)} | {meaning(flags[option], False)} |"


def in_order_of(flags, keys):
    return sorted(keys, key=lambda key: list(flags).index(key.rpartition(".")[2]))


def table(head, rows):
    return ["", head, "|" + "---|" * (head.count("|") - 1), *rows]


def main():
    directory = sys.argv[1]
    lines = [HEAD.rstrip("\n")]
    common = {"home", "log-level", "log-format"}
    head = "| flag | variable | key in the file | |"
    lines += ["", "## All programs"]
    lines += table(head, [row for row in program_table(directory, *PROGRAMS[0], set()) if row.split("`")[5] in common])
    lines += ["", "The file itself is named by `--config FILE` or `PAAS_CONFIG`."]
    for program, verb, arguments in PROGRAMS:
        lines += ["", f"## `{program}`"]
        lines += table(head, program_table(directory, program, verb, arguments, common))
    lines += ["", "`[default]` has the keys of `paas.toml` below that say when an app is started, watched and restarted, and how its",
              "output is kept; `[router-limit]` those that [the router](router.md#limits) lists."]

    flags = options(command(directory, "paas"), "deploy")
    fields = described_fields(openapi(directory))
    keys = known_keys(directory, "paas", ["deploy", "--source", ".", "--url", "http://127.0.0.1:1"], "paas.toml")
    limits = [key for key in keys if key.startswith("limits.")]
    own = [key for key in keys if "." not in key]
    head = "| key | field in the API | may be | |"
    lines += ["", "## `paas.toml`", "", "Each is an option of `paas deploy` too. Times are written `500ms`, `10s`, `5m`, `2h`, `3d`, sizes `64K`,",
              "`10M`, `1G`; the field in the API is seconds or bytes."]
    lines += table(head, app_rows(directory, in_order_of(flags, own), fields))
    lines += ["", "`[env]` holds variables, `GREETING = \"hello\"`; `[health]` with `path` is another way to write `health-path`.",
              "", "### `[limits]`", "", "[What each does](configuration.md#limits)."]
    lines += table(head, app_rows(directory, in_order_of(flags, limits), fields))
    reserved = fields["env"][1]["anyOf"][0]["propertyNames"]["not"]["enum"]
    lines += ["", "## What an app gets", "", "The platform sets these variables for an app, and refuses them in its environment: "
              + ", ".join(map(code, reserved)) + "."]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
