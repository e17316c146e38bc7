/* SPDX-License-Identifier: MIT
 * retake_test where the kernel has no membarrier. */
#define WITHOUT_MEMBARRIER
#include "tests/behaviour/retake_test.c"
