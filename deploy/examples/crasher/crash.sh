#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Says something on both streams and ends with code 3, every time: to watch restarts, back-off and the exit report.
echo "crasher: started as ${PAAS_INSTANCE:-no instance}, I will fail soon"
sleep "${SECONDS_TO_LIVE:-2}"
echo "crasher: something went wrong" >&2
exit 3
