/* SPDX-License-Identifier: MIT
 * <runnel/debug.h> alone: it needs no other header before it. */
#include <runnel/debug.h>

uint64_t look(int fd);

uint64_t look(int fd)
{
        struct rn_stats s = { 0 };

        rn_set_name(rn_version());
        rn_dump(fd);
        rn_stats_get(&s, sizeof(s));
        return s.goroutines + s.spawned + s.switches + s.steals + s.parks + s.handoffs + s.retakes +
               s.stack_bytes + s.guard_kind;
}
