#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads GET /nodes on standard input and says what each node can and cannot enforce.

With --connected it prints nothing and answers by its exit code whether an agent is connected.
"""

import json
import sys

LIMITS = {"memory": "--memory", "cpu": "--cpu", "pids": "--pids"}


def describe(node):
    can = node["capabilities"]
    print(f"\nNode {node['name']}: kernel {can['kernel']}, cgroups {can['cgroupMode']} at {can['cgroupRoot']}")
    for controller, option in LIMITS.items():
        if controller in can["controllers"]:
            print(f"  yes  {option} is enforced")
        else:
            print(f"  no   {option}: this node has no cgroup v2 controller '{controller}'; a deploy with it is refused")
    print(f"  yes  network: {', '.join(can['networks'])}")
    for layer in can["layers"]:
        detail = f": {layer['detail']}" if layer.get("detail") else ""
        print(f"  {'yes' if layer['enforced'] else 'no '}  {layer['name']}{detail}")
    print()


def main():
    try:
        nodes = [node for node in json.load(sys.stdin) if node["connected"]]
    except ValueError:
        nodes = []
    if "--connected" in sys.argv[1:]:
        sys.exit(0 if nodes else 1)
    for node in nodes:
        describe(node)


if __name__ == "__main__":
    main()
