/* SPDX-License-Identifier: MIT
 * Panics raised by the library itself; the public half is <runnel/panic.h>. Called with no lock
 * held and not entered. */
#ifndef RNI_CORE_PANIC_H
#define RNI_CORE_PANIC_H

#include <runnel/panic.h>

/* A panic with Go's text, marked as the runtime's own in rn_recovered. */
_Noreturn void rni_runtime_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
