/* SPDX-License-Identifier: MIT
 * <runnel/call.h> alone: it needs no other header before it. */
#include <runnel/call.h>

const struct rn_call *none(void (*f)(void));
const struct rn_call *one(void (*f)(int), int a);

const struct rn_call *none(void (*f)(void))
{
        return RN_CALL_(f);
}

const struct rn_call *one(void (*f)(int), int a)
{
        return RN_CALL_(f, a);
}
