/* SPDX-License-Identifier: MIT
 * <runnel/group.h> alone: it needs no other header before it. */
#include <runnel/group.h>

int together(int (*f)(rn_ctx *, double, const char *), int (*g)(void));

int together(int (*f)(rn_ctx *, double, const char *), int (*g)(void))
{
        rn_group group = { { 0 } };
        rn_ctx *ctx = rn_group_ctx(&group, rn_ctx_background());

        rn_group_limit(&group, 2);
        rn_group_go(&group, g);
        rn_group_go(&group, f, ctx, 1, "one");
        if (!rn_group_try_go(&group, f, ctx, 0.5, "a half"))
                rn_group_go(&group, *g);
        return rn_group_wait(&group);
}
