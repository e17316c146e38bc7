/* SPDX-License-Identifier: MIT
 * runnel: goroutines, typed channels, select and what goes with them, for C. Includes all public
 * headers except the opt-in <runnel/short.h>. Every call works from a goroutine and from a plain
 * thread, none from a signal handler. The first use starts the runtime; there is nothing to
 * initialise. */
#ifndef RUNNEL_H
#define RUNNEL_H

#include <runnel/block.h>
#include <runnel/chan.h>
#include <runnel/ctx.h>
#include <runnel/debug.h>
#include <runnel/fd.h>
#include <runnel/go.h>
#include <runnel/group.h>
#include <runnel/panic.h>
#include <runnel/process.h>
#include <runnel/select.h>
#include <runnel/signal.h>
#include <runnel/sim.h>
#include <runnel/sync.h>
#include <runnel/time.h>

#endif
