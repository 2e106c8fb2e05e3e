#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads GET /nodes on standard input and says what each node can and cannot enforce.

With --connected it prints nothing and answers by its exit code whether an agent is connected.
"""

import json
import sys

def describe(node):
    can = node["capabilities"]
    print(f"\nNode {node['name']}: kernel {can['kernel']}, cgroups {can['cgroupMode']} at {can['cgroupRoot']}")
    for limit in can.get("limits") or []:
        detail = "is enforced" if limit["enforced"] else f"is refused: {limit['detail']}"
        print(f"  {'yes' if limit['enforced'] else 'no '}  limit {limit['name']} {detail}")
    ceilings = [f"{can['appsMemoryBytes'] >> 20} MiB of memory"] if can.get("appsMemoryBytes") else []
    ceilings += [f"{can['appsProcesses']} processes"] if can.get("appsProcesses") else []
    print(f"  {'yes' if ceilings else 'no '}  reserve for the node: apps together get "
          f"{' and '.join(ceilings) or 'as much as they want'}")
    print(f"  yes  network: {', '.join(can['networks'])}")
    for layer in can["layers"]:
        detail = "; ".join(filter(None, (layer.get("detail"), layer.get("remedy"))))
        detail = f": {detail}" if detail else ""
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
