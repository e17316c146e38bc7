// SPDX-License-Identifier: MIT

//go:build ignore

// The twin of ../timers.c: how late sleeps and ticks are, and what it costs to make a timer that
// never fires.
package main

import (
	"sort"
	"time"
)

const n, samples = 2000000, 1000

// The median and the 99th percentile, in microseconds. Sorts.
func printQuantiles(name string, sample []time.Duration) {
	sort.Slice(sample, func(i, j int) bool { return sample[i] < sample[j] })
	printValue("us_"+name+"_p50", float64(sample[(samples-1)/2].Nanoseconds())/1e3)
	printValue("us_"+name+"_p99", float64(sample[(samples-1)*99/100].Nanoseconds())/1e3)
}

func sleepLate(name string, length time.Duration) {
	late := make([]time.Duration, samples)
	for i := range late {
		start := time.Now()
		time.Sleep(length)
		late[i] = time.Since(start) - length
		must(late[i] >= 0, "a sleep is not too short")
	}
	printQuantiles(name, late)
}

// How much later than its length a sleep ends.
func sleep() {
	sleepLate("sleep_100us", 100*time.Microsecond)
	sleepLate("sleep_1ms", time.Millisecond)
}

// By how much the time between two ticks of 1 ms is wrong.
func ticker() {
	t := time.NewTicker(time.Millisecond)
	off := make([]time.Duration, samples)
	last := time.Now()
	for i := range off {
		<-t.C
		now := time.Now()
		off[i] = (now.Sub(last) - time.Millisecond).Abs()
		last = now
	}
	t.Stop()
	printQuantiles("ticker_1ms", off)
}

func timerStop() {
	stopped := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		if time.NewTimer(time.Hour).Stop() {
			stopped++
		}
	}
	printNs("ns_timer_stop", start, n)
	must(stopped == n, "timers stopped")
}

func afterFuncStop() {
	stopped := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		if time.AfterFunc(time.Hour, func() {}).Stop() {
			stopped++
		}
	}
	printNs("ns_after_func_stop", start, n)
	must(stopped == n, "timers with a function stopped")
}

// A value is there each time.
func selectTimeout() {
	c := make(chan int, 1)
	got := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		c <- i
		select {
		case <-c:
			got++
		case <-time.After(time.Hour):
		}
	}
	printNs("ns_select_timeout", start, n)
	must(got == n, "select with a timeout")
}

func timer() {
	timerStop()
	afterFuncStop()
	selectTimeout()
}

// n timers are pending at the same time.
func livetimers() {
	live := make([]*time.Timer, option("-n", 1000000))
	stopped := 0
	start := time.Now()
	for i := range live {
		live[i] = time.AfterFunc(time.Hour, func() {})
	}
	printMs("ms_live_create", start)
	start = time.Now()
	for _, t := range live {
		if t.Stop() {
			stopped++
		}
	}
	printMs("ms_live_stop", start)
	must(stopped == len(live), "live timers stopped")
}

func main() {
	benchMain(work{"sleep", sleep}, work{"ticker", ticker}, work{"timer", timer}, work{"livetimers", livetimers})
}
