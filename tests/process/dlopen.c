/* SPDX-License-Identifier: MIT
 * dlopen LIBRARY: a host that was not linked with the library loads it, uses it from its main
 * thread and another one, and unloads it while its threads run: it stays. Main is a plain thread
 * then, since the host knows nothing of goroutines. */
#include <dlfcn.h>
#include <pthread.h>
#include <runnel.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t (*goid)(void);
static void (*chan_send)(rn_anychan, const void *);
static bool (*chan_recv)(rn_anychan, void *);

static void *find(void *library, const char *name)
{
        void *symbol = dlsym(library, name);

        if (!symbol) {
                fprintf(stderr, "%s: %s\n", name, dlerror());
                exit(1);
        }
        return symbol;
}

static void must(bool right, const char *what)
{
        if (!right) {
                fprintf(stderr, "not so: %s\n", what);
                exit(1);
        }
}

static void *sends(void *c)
{
        for (int i = 0; i < 1000; i++)
                chan_send(c, &i);
        return NULL;
}

/* What rn_go(doubles, in, out) would be, were it linked. */
struct pair {
        void *in, *out;
};

static void doubles(struct pair *p)
{
        for (int v; chan_recv(p->in, &v);) {
                v *= 2;
                chan_send(p->out, &v);
        }
}

int main(int argc, char **argv)
{
        void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
        void *(*chan_new)(size_t, size_t, ptrdiff_t, const char *);
        void (*spawn_copy)(void (*)(void), const void *, size_t, size_t);
        struct pair p;
        pthread_t t;

        if (!library) {
                fprintf(stderr, "%s\n", argc > 1 ? dlerror() : "usage: dlopen LIBRARY");
                return 1;
        }
        *(void **)&chan_new = find(library, "rn_chan_new");
        *(void **)&chan_send = find(library, "rn_chan_send");
        *(void **)&chan_recv = find(library, "rn_chan_recv");
        *(void **)&spawn_copy = find(library, "rn_spawn_copy");
        *(void **)&goid = find(library, "rn_goid");
        p.in = chan_new(sizeof(int), _Alignof(int), 0, "int");
        p.out = chan_new(sizeof(int), _Alignof(int), 0, "int");
        must(goid() == 0, "main is a plain thread");
        spawn_copy((void (*)(void))doubles, &p, sizeof p, _Alignof(struct pair));
        pthread_create(&t, NULL, sends, p.in);
        for (int round = 0; round < 2; round++) {
                for (int i = 0; i < 500; i++) {
                        int v = -1;

                        must(chan_recv(p.out, &v) && v == 2 * (500 * round + i),
                             "the values come doubled");
                }
                must(dlclose(library) == 0, "dlclose");
                library = dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD);
                must(library != NULL, "it is still there");
        }
        pthread_join(t, NULL);
        puts("loaded, used, unloaded, used");
        return 0;
}
