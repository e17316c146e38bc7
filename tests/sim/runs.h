/* SPDX-License-Identifier: MIT
 * What the tests of deterministic runs share: whole runs, and what ASan is told about those that
 * are given up. Included after behave.h, with RN_SIM defined; with RUNS_GIVE_UP too where runs do
 * not finish. */
#ifndef RUNS_H
#define RUNS_H

#define SECOND INT64_C(1000000000)
#define HOUR   (3600 * SECOND)

#if BEHAVE_ASAN && defined RUNS_GIVE_UP
/* What goroutines of a run that is given up held is lost, as <runnel/sim.h> says. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
        return "detect_leaks=0";
}
#endif

static const struct rn_sim_opts quiet = { .report = -1 };

/* f(...) finishes in a run, whatever the strategy. */
#define FINISHES(...) \
        do { \
                for (int strategy_ = RN_SIM_RANDOM; strategy_ <= RN_SIM_FIFO; strategy_++) \
                        for (uint64_t seed_ = 1; seed_ <= 20; seed_++) { \
                                struct rn_sim_opts o_ = { .seed = seed_, .strategy = strategy_ }; \
                                CHECK_EQ(rn_sim_run(&o_, NULL, __VA_ARGS__), 0); \
                        } \
        } while (0)

static inline void yields(void)
{
        rn_time t = rn_now();

        for (int i = 0; i < 1000; i++)
                rn_yield();
        CHECK_EQ(rn_now(), t);
}

#endif
