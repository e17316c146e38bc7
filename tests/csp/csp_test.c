/* SPDX-License-Identifier: MIT
 * Random CSP programs against the reference, with a fixed budget; the reference against sets of
 * outcomes made by hand; and the net itself: a library that is wrong on purpose must be caught. The
 * programs run in children (jobs.c), so this process does not use the library. CSP_SEED=n goes on
 * from another seed than the fixed one; `make fuzz` does so for as long as asked. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/csp/check.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLOW 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SLOW 1
#endif
#ifndef SLOW
#define SLOW 0
#endif

enum { STATES = 20000, PROGRAMS = SLOW ? 30 : 100, RUNS = 8, NET = 1000 };

static const uint8_t p1[] = { 1, 0 }, p2[] = { 2, 0 }, p8[] = { 8, 0 };

/* -- text -- */

static void programs_are_valid_and_read_as_they_are_written(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 2000; seed++) {
                struct program p, again;
                char *text = NULL;
                size_t n;
                FILE *out = open_memstream(&text, &n);

                assert_non_null(out);
                program_from_seed(&p, seed);
                assert_true(program_valid(&p));
                program_print(out, &p);
                fclose(out);
                assert_true(program_parse(&again, text));
                assert_memory_equal(&p, &again, sizeof p);
                free(text);
        }
}

static void what_is_no_program_is_not_read(void **state)
{
        static const char *const texts[] = {
                "", "proc send 0\n", "chans 0\nproc send\n", "chans 0\nproc send 1\n",
                "chans 4\nproc send 0\n", "chans 0\nproc send done\n",
                "chans 0\nproc close done\n", "chans 0\nproc send 0 0\n", "chans 0\nproc select\n",
                "chans 0\nproc select send\n", "chans 0\nproc sleep 0\n", "chans 0\nproc jump\n",
                "chans 0\nproc send 0 ;\n", "chans 0\nproc send 0 ; ; recv 0\n",
                "chans 0\nproc send 0",
        };
        struct program p;

        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
                if (program_parse(&p, texts[i]))
                        fail_msg("read: %s", texts[i]);
}

/* -- the reference -- */

enum { KNOWN_OUTCOMES = 8 };

struct known {
        const char *program;
        const char *outcomes[KNOWN_OUTCOMES];
};

/* Small enough to see by hand that this is all that may happen. */
static const struct known known[] = {
        { "chans 0\nproc send 0\nproc recv 0\n", { "saw done\nsaw 100\n" } },
        { "chans 1\nproc send 0 ; send 0\n", { "saw done blocked\n" } },
        { "chans 2\nproc send 0 ; send 0 ; recv 0 ; recv 0\n", { "saw done done 100 110\n" } },
        { "chans 2\nproc send 0 ; send 0 ; close 0\nproc recv 0 ; recv 0 ; recv 0\n",
          { "saw done done done\nsaw 100 110 closed\n" } },
        { "chans 0\nproc try_send 0\nproc recv 0\n",
          { "saw done\nsaw 100\n", "saw default\nsaw blocked\n" } },
        { "chans 0\nproc try_send 0\nproc try_recv 0\n", { "saw default\nsaw default\n" } },
        { "chans 1\nproc try_send 0\nproc try_recv 0\n",
          { "saw done\nsaw 100\n", "saw done\nsaw default\n" } },
        { "chans 0\nproc send 0\nproc close 0\n", { "saw panic_send\nsaw done\n" } },
        { "chans 1\nproc send 0\nproc close 0\n",
          { "saw panic_send\nsaw done\n", "saw done\nsaw done\n" } },
        { "chans 0\nproc close 0\nproc close 0\n",
          { "saw done\nsaw panic_close\n", "saw panic_close\nsaw done\n" } },
        { "chans 0\nproc close nil ; recv nil\n", { "saw panic_nil blocked\n" } },
        { "chans 1\nproc send 0\nproc send 0\nproc recv 0\n",
          { "saw done\nsaw done\nsaw 100\n", "saw done\nsaw done\nsaw 200\n" } },
        { "chans 0\nproc send 0\nproc recv 0\nproc recv 0\n",
          { "saw done\nsaw 100\nsaw blocked\n", "saw done\nsaw blocked\nsaw 100\n" } },
        /* nobody is his own partner */
        { "chans 0\nproc select send 0 recv 0\n", { "saw blocked\n" } },
        { "chans 0\nproc select send 0 recv 0\nproc select send 0 recv 0\n",
          { "saw 0:done\nsaw 1:100\n", "saw 1:200\nsaw 0:done\n" } },
        { "chans 1 1\nproc send 0 ; send 1 ; select recv 0 recv 1\n",
          { "saw done done 0:100\n", "saw done done 1:110\n" } },
        { "chans 1\nproc try_select recv 0 ; send 0 ; try_select recv 0\n",
          { "saw default done 0:110\n" } },
        { "chans 0\nproc close 0 ; select send 0 recv 0\n",
          { "saw done panic_send\n", "saw done 1:closed\n" } },
        { "chans 0\nproc recv_for 0\n", { "saw timeout\n" } },
        { "chans 0\nproc recv_for 0\nproc send 0\n",
          { "saw 200\nsaw done\n", "saw timeout\nsaw blocked\n" } },
        /* what is ready does not time out */
        { "chans 1\nproc send 0 ; recv_for 0\n", { "saw done 100\n" } },
        { "chans 0\nproc err ; cancel ; err ; cancel ; recv done\n",
          { "saw done done closed done closed\n" } },
        { "chans 0\nproc recv done ; err\nproc sleep ; yield ; cancel\n",
          { "saw closed closed\nsaw done done done\n" } },
        { "chans 0\nproc select recv nil recv done\nproc cancel\n",
          { "saw 1:closed\nsaw done\n" } },
};

static void the_reference_allows_what_is_known_and_nothing_else(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
                struct program p;
                struct outcomes set;
                size_t n = 0;

                assert_true(program_parse(&p, known[i].program));
                assert_true(reference_explore(&p, STATES, &set));
                for (; n < KNOWN_OUTCOMES && known[i].outcomes[n]; n++) {
                        struct outcome o;

                        assert_true(outcome_parse(&p, &o, known[i].outcomes[n]));
                        if (!outcomes_have(&set, &o))
                                fail_msg("not allowed:\n%s%s", known[i].program,
                                         known[i].outcomes[n]);
                }
                if (set.n != n)
                        fail_msg("%d outcomes instead of %d:\n%s", (int)set.n, (int)n,
                                 known[i].program);
                outcomes_free(&set);
        }
}

static void a_program_that_is_too_large_is_not_explored(void **state)
{
        struct program p;
        struct outcomes set;

        (void)state;
        assert_true(program_parse(&p, "chans 0\nproc send 0\nproc recv 0\n"));
        assert_false(reference_explore(&p, 3, &set));
        assert_null(set.at);
}

/* -- the library -- */

static void report(const struct budget *b, struct failure *f)
{
        failure_print(stderr, b, f);
        fprintf(stderr, "made smaller by %u cuts:\n", failure_shrink(b, f));
        failure_print(stderr, b, f);
        failure_free(f);
}

static void budget_spent(const uint8_t *procs)
{
        const struct budget b = {
                .procs = procs, .runs = RUNS, .blocked = 1, .states = STATES, .tries = 100
        };
        const char *from = getenv("CSP_SEED");
        uint64_t seed = from ? strtoull(from, NULL, 10) : 10000u * procs[0];
        struct tally t = { 0 };
        struct failure f;

        if (!check_seeds(&b, seed, PROGRAMS, &t, &f)) {
                report(&b, &f);
                fail();
        }
        printf("%d programs, %d skipped, %d runs (%d with threads, %d blocked at the end), "
               "%d of %d outcomes met\n",
               (int)t.programs, (int)t.skipped, (int)t.runs, (int)t.threads, (int)t.blocked,
               (int)t.seen, (int)t.allowed);
        /* It was a test: few were skipped, some blocked, and many programs met with more than one
         * fate. */
        assert_true(t.skipped < t.programs / 10);
        assert_true(t.blocked > 0);
        assert_true(t.varied > t.programs / 5);
}

static void outcomes_on_one_processor_are_allowed(void **state)
{
        (void)state;
        budget_spent(p1);
}

static void outcomes_on_two_processors_are_allowed(void **state)
{
        (void)state;
        budget_spent(p2);
}

static void outcomes_on_eight_processors_are_allowed(void **state)
{
        (void)state;
        budget_spent(p8);
}

/* All that was made by hand, on the library too. */
static void known_programs_have_known_outcomes(void **state)
{
        static const uint8_t procs[] = { 1, 2, 8, 0 };
        const struct budget b = {
                .procs = procs, .runs = 2, .blocked = 1, .states = STATES, .tries = 100
        };

        (void)state;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
                struct program p;
                struct tally t = { 0 };
                struct failure f;

                assert_true(program_parse(&p, known[i].program));
                if (!check_program(&b, &p, i, &t, &f)) {
                        report(&b, &f);
                        fail();
                }
        }
}

/* -- the net -- */

#if !SLOW
static unsigned ops_of(const struct program *p)
{
        unsigned n = 0;

        for (unsigned i = 0; i < p->nprocs; i++)
                n += p->proc[i].n;
        return n;
}

/* Each wrong library is caught within NET programs, most by the first few; the deaf one takes
 * longest, since another case was often another's to take. */
static void a_wrong_library_is_caught(void **state)
{
        (void)state;
        for (unsigned sabotage = SAB_LOSE; sabotage <= SAB_ZERO; sabotage++) {
                const struct budget b = { .procs = p2,
                                          .runs = RUNS,
                                          .blocked = 1,
                                          .states = STATES,
                                          .sabotage = (uint8_t)sabotage };
                struct tally t = { 0 };
                struct failure f;

                if (check_seeds(&b, 20000, NET, &t, &f))
                        fail_msg("sabotage %u was not caught", sabotage);
                assert_int_not_equal(f.seed, 0);
                failure_free(&f);
        }
}

static void what_fails_is_made_small(void **state)
{
        const struct budget b = { .procs = p1,
                                  .runs = RUNS,
                                  .blocked = 1,
                                  .states = STATES,
                                  .tries = 4,
                                  .sabotage = SAB_LOSE };
        struct tally t = { 0 };
        struct failure f;

        (void)state;
        assert_false(check_seeds(&b, 20000, PROGRAMS, &t, &f));
        failure_shrink(&b, &f);
        assert_true(program_valid(&f.job.program));
        assert_in_range(ops_of(&f.job.program), 1, 4);
        failure_free(&f);
}

#endif

/* One run of a program: how it ended. */
static struct job one_run(const char *program, unsigned sabotage)
{
        struct job j = {
                .how = { .mode = MODE_REAL, .procs = 2, .seed = 1, .sabotage = (uint8_t)sabotage }
        };

        assert_true(program_parse(&j.program, program));
        jobs_run(&j, 1);
        return j;
}

static void how_a_child_ends_is_told_apart(void **state)
{
        static const struct {
                const char *program;
                unsigned sabotage, verdict;
                const char *text;
        } ends[] = {
                { "chans 0\nproc close 0\n", SAB_NONE, RAN, NULL },
                { "chans 0\nproc recv 0\nproc select send nil\n", SAB_NONE, BLOCKED, NULL },
                { "chans 0\nproc recv 0\nproc select send nil\n", SAB_NAMES, MISTOLD,
                  "all goroutines are asleep" },
                { "chans 0\nproc close 0\n", SAB_DIES, CRASHED, "" },
                { "chans 0\nproc recv 0\n", SAB_HANGS, HUNG, "" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
                int seconds = jobs_seconds;
                struct job j;

                jobs_seconds = ends[i].verdict == HUNG ? 1 : seconds;
                j = one_run(ends[i].program, ends[i].sabotage);
                jobs_seconds = seconds;
                assert_int_equal(j.verdict, ends[i].verdict);
                assert_true(ends[i].text ? j.text && strstr(j.text, ends[i].text) : !j.text);
                free(j.text);
        }
}

/* Where only one outcome is allowed, each change of it is refused, and so is a bad end. */
static void a_wrong_outcome_is_refused(void **state)
{
        struct job j = one_run("chans 1\nproc send 0 ; close 0\nproc recv 0 ; recv 0\n", SAB_NONE),
                   wrong;
        struct outcomes allowed;

        (void)state;
        assert_true(reference_explore(&j.program, STATES, &allowed));
        assert_true(job_allowed(&j, &allowed));
        for (unsigned i = 0; i < 4; i++) {
                struct result *r = &wrong.outcome.of[i / 2][i % 2];

                wrong = j;
                r->value++;
                assert_false(job_allowed(&wrong, &allowed));
                wrong = j;
                r->which++;
                assert_false(job_allowed(&wrong, &allowed));
                for (unsigned kind = 0; kind < R_END_; kind++) {
                        wrong = j;
                        r->kind = (uint8_t)kind;
                        assert_int_equal(job_allowed(&wrong, &allowed),
                                         kind == j.outcome.of[i / 2][i % 2].kind);
                }
        }
        for (unsigned verdict = MISTOLD; verdict <= HUNG; verdict++) {
                wrong = j;
                wrong.verdict = (uint8_t)verdict;
                assert_false(job_allowed(&wrong, &allowed));
        }
        outcomes_free(&allowed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(programs_are_valid_and_read_as_they_are_written),
                cmocka_unit_test(what_is_no_program_is_not_read),
                cmocka_unit_test(the_reference_allows_what_is_known_and_nothing_else),
                cmocka_unit_test(a_program_that_is_too_large_is_not_explored),
                cmocka_unit_test(outcomes_on_one_processor_are_allowed),
                cmocka_unit_test(outcomes_on_two_processors_are_allowed),
                cmocka_unit_test(outcomes_on_eight_processors_are_allowed),
                cmocka_unit_test(known_programs_have_known_outcomes),
#if !SLOW   /* whether the net is tight does not depend on the sanitizer */
                cmocka_unit_test(a_wrong_library_is_caught),
                cmocka_unit_test(what_fails_is_made_small),
#endif
                cmocka_unit_test(how_a_child_ends_is_told_apart),
                cmocka_unit_test(a_wrong_outcome_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
