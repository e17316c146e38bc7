// SPDX-License-Identifier: MIT
// Boost.Fiber beside ../chan.c and ../sched.c, where it has the operation: takes their words, does
// the same work, prints the same keys, and says nothing to other words. With RUNNEL_MAXPROCS above
// 1 as many threads share the fibers by its work stealing.
#include <boost/fiber/all.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace fibers = boost::fibers;
using clock_type = std::chrono::steady_clock;

static void print_ns(const char *key, clock_type::time_point start, long n)
{
        const std::chrono::duration<double, std::nano> took = clock_type::now() - start;

        std::printf("%s=%.2f\n", key, took.count() / static_cast<double>(n));
}

static void must(bool right)
{
        if (!right) {
                std::fprintf(stderr, "fiber: wrong result\n");
                std::exit(1);
        }
}

static void yield(long k)
{
        const long n = 10000000;
        std::vector<fibers::fiber> all;
        auto start = clock_type::now();

        for (long i = 0; i < k; i++)
                all.emplace_back([n, k] {
                        for (long j = 0; j < n / k; j++)
                                boost::this_fiber::yield();
                });
        for (auto &f : all)
                f.join();
        print_ns("ns_yield", start, n);
}

static void spawn(long b)
{
        const long n = 1000000;
        std::vector<fibers::fiber> all;
        auto start = clock_type::now();

        for (long i = 0; i < n; i += b) {
                for (long j = 0; j < b; j++)
                        all.emplace_back([] {});
                for (auto &f : all)
                        f.join();
                all.clear();
        }
        print_ns("ns_spawn", start, n);
}

static void pingpong()
{
        const long n = 1000000;
        fibers::unbuffered_channel<long> ping, pong;
        fibers::fiber ponger([&] {
                for (long v; ping.pop(v) == fibers::channel_op_status::success;)
                        pong.push(v + 1);
        });
        auto start = clock_type::now();
        long sum = 0;

        for (long i = 0; i < n; i++) {
                ping.push(i);
                sum += pong.value_pop();
        }
        print_ns("ns_roundtrip", start, n);
        ping.close();
        ponger.join();
        must(sum == n * (n + 1) / 2);
}

// Its buffered channel holds one less than its size, which is a power of two: cap is rounded up.
template <class Channel> static void many(Channel &c, long side, long n)
{
        const long each = n / side;
        std::vector<fibers::fiber> producers, consumers;
        std::vector<long> sums(static_cast<size_t>(side));
        auto start = clock_type::now();
        long sum = 0;

        for (long i = 0; i < side; i++)
                producers.emplace_back([&c, each] {
                        for (long j = 0; j < each; j++)
                                c.push(j);
                });
        for (long i = 0; i < side; i++)
                consumers.emplace_back([&c, &sums, i] {
                        long s = 0;

                        for (long v; c.pop(v) == fibers::channel_op_status::success;)
                                s += v;
                        sums[static_cast<size_t>(i)] = s;
                });
        for (auto &f : producers)
                f.join();
        c.close();
        for (auto &f : consumers)
                f.join();
        print_ns("ns_item", start, n);
        for (long s : sums)
                sum += s;
        must(sum == side * (each * (each - 1) / 2));
}

static void items(long side, long cap)
{
        if (cap == 0) {
                fibers::unbuffered_channel<long> c;

                many(c, side, 1000000);
        } else {
                size_t size = 2;

                while (size < static_cast<size_t>(cap) + 1)
                        size *= 2;
                fibers::buffered_channel<long> c(size);
                many(c, side, 4000000);
        }
}

static long option(char **argv, const char *name, long otherwise)
{
        for (char **o = argv + 2; o[0] && o[1]; o += 2)
                if (std::strcmp(o[0], name) == 0)
                        return std::strtol(o[1], nullptr, 10);
        return otherwise;
}

static void run(const std::string &work, char **argv)
{
        if (work == "yield")
                yield(option(argv, "-k", 2));
        else if (work == "spawn" && option(argv, "-b", 1000) <= 1000)
                spawn(option(argv, "-b", 1000));
        else if (work == "pingpong")
                pingpong();
        else if (work == "spsc")
                items(1, option(argv, "-cap", 128));
        else if (work == "mpmc")
                items(4, option(argv, "-cap", 128));
}

int main(int argc, char **argv)
{
        const char *given = std::getenv("RUNNEL_MAXPROCS");
        const unsigned procs = given ? static_cast<unsigned>(std::atoi(given)) : 1;
        std::vector<std::thread> threads;
        fibers::mutex mu;
        fibers::condition_variable_any over;
        bool ended = false;

        if (argc < 2)
                return 2;
        for (unsigned i = 1; i < procs; i++)
                threads.emplace_back([&] {
                        fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(procs, true);
                        std::unique_lock<fibers::mutex> lock(mu);
                        over.wait(lock, [&] { return ended; });
                });
        if (procs > 1)
                fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(procs, true);
        run(argv[1], argv);
        {
                std::unique_lock<fibers::mutex> lock(mu);
                ended = true;
        }
        over.notify_all();
        for (auto &t : threads)
                t.join();
        return 0;
}
