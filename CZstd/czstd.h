// SPDX-License-Identifier: Apache-2.0
// Zstandard (Debian: libzstd-dev).
#ifndef CZSTD_H
#define CZSTD_H
#include <zstd.h>
#endif
