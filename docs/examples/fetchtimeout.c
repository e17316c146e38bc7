/* SPDX-License-Identifier: MIT
 * fetchtimeout: asks for something that takes 2 s and gives it 500 ms. The context carries the
 * deadline to whoever works for it; whatever happens first, the answer or the end of the context,
 * the caller goes on, and the one who fetches notices and stops as well. The result's channel has
 * room for one: a fetcher that is too late leaves its answer there and waits for nobody. */
#include <runnel.h>

#include <stdio.h>
#include <string.h>

static const rn_dur TASK = 2 * RN_SEC, PATIENCE = 500 * RN_MSEC;

struct page {
        int status;
        char text[56];
};

/* Stands for a server far away. The end of the context interrupts it. */
static void fetch(rn_ctx *ctx, const char *name, rn_send_chan(struct page) pages)
{
        struct page page = { 200, "" };

        if (rn_ctx_sleep(ctx, TASK) == 0) {
                snprintf(page.text, sizeof page.text, "the contents of %s", name);
                rn_send(pages, page);
        }
        rn_unref(pages);
        rn_unref(ctx);
}

/* 0, or why there is no page. */
static int fetch_in_time(const char *name, rn_dur patience, struct page *page)
{
        enum { PAGE, END };
        rn_ctx *ctx = rn_ctx_with_timeout(rn_ctx_background(), patience);
        rn_chan(struct page) pages = rn_make(struct page, 1);

        rn_defer(rn_unref, pages);
        rn_defer(rn_ctx_release, ctx);
        rn_go(fetch, rn_ref(ctx), name, rn_ref(pages)); /* it may outlive us: references of its
                                                         * own */
        switch (rn_select([PAGE] = rn_on_recv(pages, page),
                          [END] = rn_on_signal(rn_ctx_done(ctx)))) {
        case PAGE:
                return 0;
        default:
                return rn_ctx_err(ctx);
        }
}

static void ask(const char *name, rn_dur patience)
{
        struct page page;
        int err = fetch_in_time(name, patience, &page);

        if (err)
                printf("%s: nothing after %lld ms: %s\n", name, (long long)(patience / RN_MSEC),
                       strerror(-err));
        else
                printf("%s: %d, %s\n", name, page.status, page.text);
}

int main(void)
{
        ask("index.html", PATIENCE);
        while (rn_numgoroutine() > 1)
                rn_yield(); /* the fetcher has been told, and goes */
        printf("%d goroutine left\n", rn_numgoroutine());
        ask("index.html", 2 * TASK);
        return 0;
}
