/* SPDX-License-Identifier: MIT
 * What the machine and the control groups leave to this process: processors and memory, read from a
 * tree of /proc and cgroup files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sched/os/sys.h"

static struct rni_groups groups;
static char root[64];

static void put_file(const char *path, const char *text)
{
        char full[512];
        FILE *f;

        snprintf(full, sizeof full, "%s%s", root, path);
        for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
                *p = 0;
                mkdir(full, 0700);
                *p = '/';
        }
        f = fopen(full, "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static int new_root(void **state)
{
        (void)state;
        strcpy(root, "/tmp/runnel-groups-XXXXXX");
        return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
        char command[128];

        (void)state;
        snprintf(command, sizeof command, "rm -rf %s", root);
        return system(command) == 0 ? 0 : -1;
}

static void quota_is_the_least_of_all_ancestors(void **state)
{
        (void)state;
        assert_int_equal(rni_cgroup_cpus(&groups, root), 0);
        put_file("/proc/self/mountinfo",
                 "22 1 0:5 / /proc rw - proc proc rw\n"
                 "31 23 0:28 / /sys/fs/cg\\040x rw,nosuid shared:9 master:2 "
                 "- cgroup2 cgroup2 rw,nsdelegate\n");
        put_file("/proc/self/cgroup", "0::/parent/leaf\n");
        put_file("/sys/fs/cg x/parent/leaf/cpu.max", "max 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 0);
        put_file("/sys/fs/cg x/parent/cpu.max", "200000 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 2);
        put_file("/sys/fs/cg x/parent/leaf/cpu.max", "350000 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 2);
        put_file("/sys/fs/cg x/parent/leaf/cpu.max", "150000 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 2);     /* 1.5 rounded up */
        put_file("/sys/fs/cg x/parent/leaf/cpu.max", "1000 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 1);
        put_file("/sys/fs/cg x/cpu.max", "50000 100000\n");
        put_file("/sys/fs/cg x/parent/leaf/cpu.max", "max 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 1);     /* the mount point itself counts */
}

static void quota_of_version_1_and_of_a_mounted_subtree(void **state)
{
        (void)state;
        put_file("/proc/self/mountinfo",
                 "33 31 0:31 / /cg/cpuacct rw - cgroup cgroup rw,cpuacct\n"
                 "32 31 0:30 /docker/abc /cg/cpu rw - cgroup cgroup rw,cpuset,cpu\n"
                 "34 31 0:37 / /cg/unified rw - cgroup2 cgroup2 rw\n");
        put_file("/proc/self/cgroup", "5:cpuacct:/x\n3:cpuset,cpu:/docker/abc/leaf\n0::/\n");
        put_file("/cg/cpu/cpu.cfs_period_us", "100000\n");
        put_file("/cg/cpu/cpu.cfs_quota_us", "-1\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 0);
        put_file("/cg/cpu/leaf/cpu.cfs_period_us", "50000\n");
        put_file("/cg/cpu/leaf/cpu.cfs_quota_us", "130000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 3);
        put_file("/cg/unified/cpu.max", "100000 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 1);     /* the tighter hierarchy */
}

static void available_memory_is_the_least_of_machine_and_groups(void **state)
{
        uint64_t limit;

        (void)state;
        put_file("/proc/meminfo",
                 "MemTotal:       9000 kB\nMemFree:  1 kB\nMemAvailable:   8000 kB\n");
        assert_int_equal(rni_vm_available_at(root), 8000 * 1024);
        put_file("/proc/self/mountinfo",
                 "31 23 0:28 / /cg2 rw - cgroup2 cgroup2 rw\n"
                 "32 23 0:29 / /cg1 rw - cgroup cgroup rw,memory\n");
        put_file("/proc/self/cgroup", "4:memory:/j\n0::/a/b\n");
        put_file("/cg2/a/b/memory.max", "max\n");
        put_file("/cg2/a/b/memory.current", "5000\n");
        assert_int_equal(rni_vm_available_at(root), 8000 * 1024);
        put_file("/cg2/a/memory.max", "1000000\n");
        put_file("/cg2/a/memory.current", "400000\n");
        assert_int_equal(rni_vm_available_at(root), 600000);
        put_file("/cg2/a/memory.stat", "anon 1\nfile 2\ninactive_file 100000\n");
        assert_int_equal(rni_vm_available_at(root), 700000);
        put_file("/cg1/j/memory.limit_in_bytes", "500000\n");
        put_file("/cg1/j/memory.usage_in_bytes", "600000\n");
        assert_int_equal(rni_vm_available_at(root), 0);
        assert_int_equal(rni_cgroup_memory(&groups, root, &limit), 0);
        assert_int_equal(limit, 500000);
}

static void this_machine_has_processors_and_memory(void **state)
{
        (void)state;
        assert_in_range(rni_cpu_count(), 1, sysconf(_SC_NPROCESSORS_CONF));
        assert_true(rni_vm_available() > 0);
        assert_true(rni_vm_total() >= rni_vm_available());
        assert_true(rni_vm_max_maps() > 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(quota_is_the_least_of_all_ancestors,
                                                new_root, remove_root),
                cmocka_unit_test_setup_teardown(quota_of_version_1_and_of_a_mounted_subtree,
                                                new_root, remove_root),
                cmocka_unit_test_setup_teardown(available_memory_is_the_least_of_machine_and_groups,
                                                new_root, remove_root),
                cmocka_unit_test(this_machine_has_processors_and_memory),
        };

        rni_os_init();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
