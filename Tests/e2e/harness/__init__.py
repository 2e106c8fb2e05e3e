# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests are made of: a platform of real programs, on free ports, with its own home and cgroup."""
