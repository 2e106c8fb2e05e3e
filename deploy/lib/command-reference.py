#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/cli.md from what the programs say of themselves: `command-reference.py DIRECTORY >docs/cli.md`.

DIRECTORY holds the built programs, such as .build/release.
"""

import sys

from reference_source import command as command_of
from reference_source import text

HEAD = """# Commands

Every command and option, from the programs' own help. Written by `deploy/lib/command-reference.py`; a test compares.
[Configuration](configuration.md) explains the settings, and `COMMAND --help` says the same as this page.
"""
# Of every command, and of no use on this page.
EVERYWHERE = {"help", "version"}


def names(argument):
    shown = []
    for name in argument.get("names") or []:
        dashes = "-" if name["kind"] == "short" else "--"
        shown.append(dashes + name["name"])
    value = argument.get("valueName", "value")
    if argument["kind"] == "positional":
        return f"`{value.upper()}`" + (" …" if argument.get("isRepeating") else "")
    suffix = "" if argument["kind"] == "flag" else f" {value}"
    return ", ".join(f"`{name}{suffix}`" for name in sorted(shown, key=len))


def row(argument):
    parts = [text(argument.get("abstract")), text(argument.get("discussion"))]
    if argument.get("allValues"):
        parts.append("Values: " + ", ".join(f"`{value}`" for value in argument["allValues"]) + ".")
    if argument.get("defaultValue") and argument["kind"] != "flag":
        parts.append(f"Default: `{argument['defaultValue']}`.")
    return f"| {names(argument)} | {' '.join(part for part in parts if part)} |"


def rows(command):
    for argument in command.get("arguments", []):
        own = {name["name"] for name in argument.get("names") or []}
        if argument.get("shouldDisplay", True) and not EVERYWHERE & own:
            yield row(argument)


def leaves(command):
    children = [child for child in command.get("subcommands") or [] if child["commandName"] != "help"]
    return [leaf for child in children for leaf in leaves(child)] if children else [command]


def table(lines):
    return ["", "| | |", "|---|---|", *lines] if lines else []


def describe(command, path, everywhere, lines):
    path = [*path, command["commandName"]]
    if command["commandName"] == "help" or not command.get("shouldDisplay", True):
        return
    lines += ["", f"{'##' if len(path) == 1 else '###'} `{' '.join(path)}`", "", text(command.get("abstract"))]
    discussion = (command.get("discussion") or "").rstrip()
    if "\n" in discussion:
        lines += ["", "```", *discussion.splitlines(), "```"]
    elif discussion:
        lines += ["", text(discussion)]
    if len(path) == 1 and everywhere:
        lines += ["", "Every command takes"] + table(everywhere)
    lines += table([line for line in rows(command) if line not in everywhere])
    for child in command.get("subcommands") or []:
        describe(child, path, everywhere, lines)


def main():
    lines = [HEAD.rstrip("\n")]
    for program in ("paas", "paasd", "agent"):
        command = command_of(sys.argv[1], program)
        all_rows = [list(rows(leaf)) for leaf in leaves(command)]
        everywhere = [line for line in all_rows[0] if all(line in other for other in all_rows)] if len(all_rows) > 2 else []
        describe(command, [], everywhere, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
