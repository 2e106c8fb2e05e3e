#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the DocC documentation of the library modules: `module-documentation.py BUILD-DIRECTORY OUTPUT-DIRECTORY`.

BUILD-DIRECTORY is a finished build, such as .build/debug: the modules that it holds are read, and nothing is compiled.
Ends with 1 when DocC has anything to warn about.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

# Packages of others and the programs are in the same build.
SOURCES = Path(__file__).resolve().parents[2] / "Sources"


def libraries(build):
    """Name to the arguments it was compiled with, of every library module of ours, by SwiftPM's description of the build."""
    commands = json.loads((build / "description.json").read_text())["swiftCommands"].values()
    return {
        command["moduleName"]: command for command in commands
        if command["isLibrary"] and (SOURCES / command["moduleName"]).is_dir() and not executable(command["moduleName"])
    }


def executable(module):
    """The three programs are libraries to the build, so that tests can import them. Their directories are lower case."""
    return module.islower()


def clang_arguments(command):
    """Where the module maps of C targets are: whoever loads a module loads those."""
    arguments = command["otherArguments"]
    found = []
    for flag, value in zip(arguments, arguments[1:]):
        if flag in ("-Xcc", "-target"):
            found += [flag, value]
    return found


def extract(name, command, graphs):
    directory = graphs / name
    directory.mkdir()
    subprocess.run(
        ["swift-symbolgraph-extract", "-module-name", name, "-I", command["importPath"], *clang_arguments(command),
         "-minimum-access-level", "public", "-skip-inherited-docs", "-output-dir", directory], check=True)
    return directory


def main():
    build, output = Path(sys.argv[1]), Path(sys.argv[2])
    modules = libraries(build)
    if not modules:
        sys.exit(f"{build} holds no module of ours; build first")
    output.mkdir(parents=True, exist_ok=True)
    failed = []
    with tempfile.TemporaryDirectory() as graphs:
        for name, command in sorted(modules.items()):
            done = subprocess.run(
                ["docc", "convert", "--additional-symbol-graph-dir", extract(name, command, Path(graphs)),
                 "--fallback-display-name", name, "--fallback-bundle-identifier", f"mini-paas.{name}",
                 "--warnings-as-errors", "--output-path", output / f"{name}.doccarchive"], check=False)
            if done.returncode != 0:
                failed.append(name)
    if failed:
        sys.exit(f"DocC complains about: {', '.join(failed)}")
    print(f"{len(modules)} modules without a warning: {', '.join(sorted(modules))}")


if __name__ == "__main__":
    main()
