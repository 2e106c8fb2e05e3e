// SPDX-License-Identifier: Apache-2.0
// PCRE2 for bytes (Debian: libpcre2-dev). The header wants to know the width of a character before it is included.
#ifndef CPCRE2_H
#define CPCRE2_H
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#endif
