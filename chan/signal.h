/* SPDX-License-Identifier: MIT
 * Signals for who watches them: channels here, contexts in the layer above. How a signal travels:
 * signal.c. */
#ifndef RNI_CHAN_SIGNAL_H
#define RNI_CHAN_SIGNAL_H

#include <runnel/signal.h>

#include "sched/core/g.h"

struct watcher;

struct watcher_class {
        /* The registry is locked. Takes the signal, without waiting; whom that lets go is added to
         * woken. True: end is to be called */
        bool (*take)(struct watcher *w, int sig, struct g_list *woken);
        /* Afterwards, with nothing locked, outside of the runtime. May be NULL */
        void (*end)(struct watcher *w);
};

/* Lies in an object of its owner, who removes it before the object goes. All but class is the
 * registry's. */
struct watcher {
        const struct watcher_class *class;
        struct watcher *next;      /* in the registry, in the order of coming */
        struct watcher *due;       /* of those whose end is to be called */
        uint64_t set;              /* bit sig - 1; 0: not in the registry */
};

/* Panics if one of them cannot be watched. */
void rni_signal_check(const int *sigs, size_t n);
/* w watches these signals too; n == 0: all that can be. */
void rni_signal_add(struct watcher *w, const int *sigs, size_t n);
/* w watches nothing any more. settle: what has arrived before is delivered, to w too, and if w was
 * the last to watch a signal, the next one has its old effect. Without it, inside the runtime or
 * not, w is just out of the registry when this returns. */
void rni_signal_remove(struct watcher *w, bool settle);

#endif
