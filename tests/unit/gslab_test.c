/* SPDX-License-Identifier: MIT
 * Descriptor slots: each is handed out once, as many as are allowed, and what is given back comes
 * again. See stack_test.h. */
#include <pthread.h>

#include "tests/unit/stack_test.h"

enum { THREADS = 4 };

static char who[THREADS];

static size_t takes(void)
{
        return sizeof(void *) == 4 ? 280 : checked() ? 2800 : 28000;
}

static size_t slots_of_a_thread(void)
{
        return takes() / 7 * (1 + 2 + 3 + 4 + 5 + 6 + 7);
}

static void *take_slots(void *arg)
{
        void *out[7];

        for (size_t i = 0; i < takes(); i++) {
                size_t k = rni_gslab_take(out, i % 7 + 1, 0);
                CHECK(k == i % 7 + 1);
                while (k-- > 0) {
                        CHECK(*(void **)out[k] == NULL);
                        *(void **)out[k] = arg;
                }
        }
        return NULL;
}

static void slots_child(void)
{
        pthread_t t[THREADS];
        size_t n;

        for (int i = 0; i < THREADS; i++)
                CHECK(pthread_create(&t[i], NULL, take_slots, &who[i]) == 0);
        for (int i = 0; i < THREADS; i++)
                pthread_join(t[i], NULL);
        n = rni_gslab_count();
        CHECK(n == slots_of_a_thread() * THREADS);
        for (size_t i = 0; i < n; i++) {
                char *p = rni_gslab_at(i);
                CHECK((uintptr_t)p % RNI_GSLOT_ALIGN == 0 && *(void **)(void *)p != NULL);
                CHECK(i % 65536 == 0 || p == (char *)rni_gslab_at(i - 1) + RNI_GSLOT);
        }
}
CHILD_TEST(each_descriptor_slot_is_handed_out_once, slots_child, NULL)

static void maxg_child(void)
{
        void *out[64];
        size_t n = 0, k;

        setenv("RUNNEL_MAXG", "5000", 1);
        while ((k = rni_gslab_take(out, 64, 0)) > 0)
                n += k;
        CHECK(n == 5000 && rni_gslab_count() == 5000);
        CHECK(rni_gslab_take(out, 1, 0) == 0);
}
CHILD_TEST(number_of_descriptors_can_be_limited, maxg_child, NULL)

static void promised_child(void)
{
        void *out[64];
        size_t n = 0, k;

        while ((k = rni_gslab_take(out, 64, SIZE_MAX)) > 0)     /* all memory is promised already */
                n += k;
        CHECK(n == 1024);
        CHECK(rni_gslab_take(out, 64, SIZE_MAX) == 0);
}
CHILD_TEST(promised_memory_is_not_promised_again, promised_child, NULL)

/* -- given back -- */

enum { MANY = sizeof(void *) == 8 ? 140000 : 2000 };   /* more than two chunks, where there are
                                                        * addresses for as many stacks */
static char *slots[MANY];

static void take_many(size_t n)
{
        for (size_t k = 0; k < n;) {
                size_t some = rni_gslab_take((void **)slots + k, n - k < 22 ? n - k : 22, 0);

                CHECK(some > 0);
                k += some;
        }
}

/* In an order that fills no span until late; sees that each slot is there once. */
static void give_in_strides(size_t n)
{
        enum { STRIDE = 7919 };   /* a prime */
        void *some[RNI_GSLAB_GIVE];
        size_t k = 0;

        for (size_t i = 0; i < n; i++) {
                char *p = slots[i * STRIDE % n];

                CHECK(*p == 1);
                *p = 2;
                some[k++] = p;
                if (k == RNI_GSLAB_GIVE || i + 1 == n) {
                        rni_gslab_give(some, k);
                        k = 0;
                }
        }
}

static void given_child(void)
{
        size_t before = resident(), full, count, zero = 0;
        bool counts = MANY > 10000 && !checked() && !emulated();   /* the system counts resident
                                                                    * pages by dozens */

        take_many(MANY);
        count = rni_gslab_count();
        for (size_t i = 0; i < MANY; i++)
                *slots[i] = 1;
        full = resident();
        CHECK(!counts || full > before + MANY / 2 * RNI_GSLOT);
        give_in_strides(MANY);
        CHECK(!counts || resident() < before + (full - before) / 4);
        for (size_t i = 0; i < MANY; i++)
                zero += *slots[i] == 0;   /* a late reader may look */
        CHECK(zero >= MANY - 3 * rni_page / RNI_GSLOT);
        take_many(MANY);
        CHECK(rni_gslab_count() == count);   /* all of them were old ones */
        for (size_t i = 0; i < MANY; i++) {
                CHECK(*slots[i] != 1);
                *slots[i] = 1;
        }
        take_many(1);
        CHECK(rni_gslab_count() == count + 1 && *slots[0] == 0);
}
CHILD_TEST(pages_of_given_slots_go_back, given_child, NULL)

/* Half of each page stays in use: nothing of it is lost. */
static void half_child(void)
{
        void *some[RNI_GSLAB_GIVE];
        size_t k = 0, count;

        take_many(MANY);
        count = rni_gslab_count();
        for (size_t i = 0; i < MANY; i++)
                *slots[i] = 1;
        for (size_t i = 0; i < MANY; i += 2) {
                some[k++] = slots[i];
                if (k == RNI_GSLAB_GIVE || i + 2 >= MANY) {
                        rni_gslab_give(some, k);
                        k = 0;
                }
        }
        for (size_t i = 0; i < MANY; i++)
                CHECK(*slots[i] == 1);
        for (size_t left = MANY / 2, n; left > 0; left -= n) {
                n = rni_gslab_take(some, left < 22 ? left : 22, 0);
                CHECK(n > 0);
                for (size_t i = 0; i < n; i++) {
                        CHECK(*(char *)some[i] == 1);
                        *(char *)some[i] = 3;
                }
        }
        CHECK(rni_gslab_count() == count);
        for (size_t i = 0; i < MANY; i++)
                CHECK(*slots[i] == (i % 2 == 0 ? 3 : 1));
}
CHILD_TEST(slots_in_use_keep_their_page, half_child, NULL)

static pthread_mutex_t giver = PTHREAD_MUTEX_INITIALIZER;

/* Takes and gives; nobody gets a slot that somebody has. */
static void *take_and_give(void *arg)
{
        enum { HOLD = 200 };
        void *held[HOLD];
        size_t n = 0;

        for (int i = 0; i < (checked() ? 500 : 5000); i++) {
                while (n < HOLD) {
                        size_t k = rni_gslab_take(held + n, HOLD - n < 22 ? HOLD - n : 22, 0);

                        CHECK(k > 0);
                        for (; k > 0; k--, n++) {
                                CHECK(*(void **)held[n] == NULL);
                                *(void **)held[n] = arg;
                        }
                }
                for (n = HOLD; n > (size_t)i % HOLD; n--) {
                        CHECK(*(void **)held[n - 1] == arg);
                        *(void **)held[n - 1] = NULL;
                }
                pthread_mutex_lock(&giver);
                rni_gslab_give(held + n, HOLD - n);
                pthread_mutex_unlock(&giver);
        }
        return NULL;
}

static void threads_child(void)
{
        pthread_t t[THREADS];

        if (RNI_TSAN)   /* it does not know the lock; the library gives nothing back there */
                _exit(SKIPPED);
        for (int i = 0; i < THREADS; i++)
                CHECK(pthread_create(&t[i], NULL, take_and_give, &who[i]) == 0);
        for (int i = 0; i < THREADS; i++)
                pthread_join(t[i], NULL);
        CHECK(rni_gslab_count() <= 4 * THREADS * 200);   /* those of a page that is being dropped
                                                          * are not to be had */
}
CHILD_TEST(given_slots_go_round_among_threads, threads_child, NULL)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_descriptor_slot_is_handed_out_once),
                cmocka_unit_test(number_of_descriptors_can_be_limited),
                cmocka_unit_test(promised_memory_is_not_promised_again),
                cmocka_unit_test(pages_of_given_slots_go_back),
                cmocka_unit_test(slots_in_use_keep_their_page),
                cmocka_unit_test(given_slots_go_round_among_threads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
