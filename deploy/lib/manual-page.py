#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a manual page of what a program says about itself: `PROGRAM --experimental-dump-help | manual-page.py NAME SECTION
VERSION DATE`. The page, in man(7), goes to standard output; --help remains the one source of the text.
"""

import json
import sys


def text(value):
    """One line for troff: it must not begin with a control character, hyphens of options stay hyphens, and what is not
    ASCII is written by its number, whatever the reader's locale."""
    value = " ".join((value or "").split())
    value = value.replace("\\", "\\e").replace("-", "\\-")
    value = "".join(one if one.isascii() else f"\\[u{ord(one):04X}]" for one in value)
    return "\\&" + value if value.startswith((".", "'")) else value


def paragraphs(value):
    """Lines of troff for a discussion. A paragraph with indented lines is an example, whose lines stay as they are."""
    lines = []
    for part in (value or "").split("\n\n"):
        if not part.strip():
            continue
        if any(line.startswith(" ") for line in part.splitlines()):
            heading, *rest = part.splitlines()
            lines += [".PP", text(heading), ".nf", ".RS"]
            lines += [columns(line) for line in rest]
            lines += [".RE", ".fi"]
        else:
            lines += [".PP", text(part)]
    return lines


def columns(line):
    """A line in which runs of spaces stay: they are the columns of a table."""
    return " " + "  ".join(text(word) for word in line.strip().split("  ") if word.strip())


def spelling(argument):
    """`-e, --env <key=value>`, as it is typed."""
    value = argument.get("valueName")
    if argument["kind"] == "positional":
        return f"\\fI{text(value)}\\fR"
    # The short name first, as everywhere.
    names = sorted(argument.get("names") or [], key=lambda name: name["kind"] == "long")
    words = [("--" if name["kind"] == "long" else "-") + name["name"] for name in names]
    spelled = ", ".join(f"\\fB{text(word)}\\fR" for word in words)
    return f"{spelled} \\fI{text(value)}\\fR" if argument["kind"] == "option" else spelled


def shown(command):
    return [one for one in command.get("arguments") or [] if one.get("shouldDisplay", True)]


def subcommands(command):
    return [one for one in command.get("subcommands") or [] if one["commandName"] != "help"]


def synopsis(path, command):
    words = [f"\\fB{text(' '.join(path))}\\fR"]
    if subcommands(command):
        words.append("\\fIcommand\\fR")
    words += [
        f"[{spelling(one)}]" if one.get("isOptional") else spelling(one)
        for one in shown(command) if one["kind"] == "positional"]
    if any(one["kind"] != "positional" for one in shown(command)):
        words.append("[\\fIoption\\fR]...")
    return " ".join(words)


def arguments(command):
    lines = []
    for one in shown(command):
        lines += [".TP", spelling(one), text(one.get("abstract")) or "\\&"]
        for line in paragraphs(one.get("discussion")):
            lines.append(".IP" if line == ".PP" else line)
    return lines


def commands(path, command):
    lines = []
    for one in subcommands(command):
        below = [*path, one["commandName"]]
        lines += [".SS " + synopsis(below, one), text(one.get("abstract"))]
        lines += paragraphs(one.get("discussion"))
        lines += arguments(one) + commands(below, one)
    return lines


def page(name, section, version, date, command):
    lines = [
        f'.TH "{text(name).upper()}" "{section}" "{date}" "Mini PaaS {version}" "Mini PaaS"', ".SH NAME",
        f"{text(name)} \\- {text(command.get('abstract'))}", ".SH SYNOPSIS", synopsis([name], command)]
    body = paragraphs(command.get("discussion"))
    if body:
        lines += [".SH DESCRIPTION", *body]
    if shown(command):
        lines += [".SH OPTIONS", *arguments(command)]
    below = commands([name], command)
    if below:
        lines += [".SH COMMANDS", *below]
    return "\n".join([*lines, ".SH SEE ALSO", "/usr/share/doc/mini\\-paas/operations.md", ""])


def main():
    name, section, version, date = sys.argv[1:]
    command = json.load(sys.stdin)["command"]
    # The root's own help option is one of every command's.
    sys.stdout.write(page(name, section, version, date, command))


if __name__ == "__main__":
    main()
