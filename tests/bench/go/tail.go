// SPDX-License-Identifier: MIT

//go:build ignore

// The twin of ../tail.c: how long who is woken waits until it runs.
package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	samples       = 5000
	greedySamples = 300
)

var sample [samples]time.Duration
var stop atomic.Bool
var ran atomic.Int64
var round, holding atomic.Int64 // held: which wake-up it is; how many holders have begun, of all

func printTail(name string, n int) {
	slices.Sort(sample[:n])
	for _, q := range []float64{0.5, 0.99, 0.999, 1} {
		printValue(fmt.Sprintf("us_%s_p%g", name, 100*q), float64(sample[int(float64(n-1)*q)].Nanoseconds())/1e3)
	}
}

// Computes for some 20 us.
func compute() {
	start := time.Now()
	for time.Since(start) < 20*time.Microsecond {
	}
}

func polite() {
	for !stop.Load() {
		compute()
		runtime.Gosched()
	}
}

func greedy() {
	for !stop.Load() {
		compute()
	}
}

// Keeps the processor, as those do whom the woken one has to wait for, until the n-th has run.
func keepIt(polite bool, n int) {
	procs := runtime.GOMAXPROCS(0)
	for procs > 1 && ran.Load() < int64(n) {
		compute()
		if polite {
			runtime.Gosched()
		}
	}
}

// Takes the time at which it was sent something.
func woken(c <-chan time.Time, done chan<- struct{}, n int) {
	for i := 0; i < n; i++ {
		sent := <-c
		sample[i] = time.Since(sent)
		ran.Store(int64(i + 1))
		done <- struct{}{}
	}
}

// n wake-ups, with a rest before each, beside twice as many others as there are processors.
func wake(name string, other func(), giveWay bool, n int) {
	c, done := make(chan time.Time), make(chan struct{})
	var wg sync.WaitGroup
	for i := 0; other != nil && i < 2*runtime.GOMAXPROCS(0); i++ {
		wg.Go(other)
	}
	go woken(c, done, n)
	for i := 0; i < n; i++ {
		time.Sleep(50 * time.Microsecond)
		c <- time.Now()
		keepIt(giveWay, i+1)
		<-done
	}
	stop.Store(true)
	wg.Wait()
	printTail(name, n)
}

// Gives way until the next round, and then keeps its processor until the woken one has run.
func holds(n int) {
	for i := 0; i < n; i++ {
		for round.Load() <= int64(i) {
			runtime.Gosched()
		}
		holding.Add(1)
		for ran.Load() <= int64(i) {
		}
	}
}

// Wake-ups while every processor is kept by somebody, the waker among them.
func held() {
	const n = greedySamples
	others := runtime.GOMAXPROCS(0) - 1
	c, done := make(chan time.Time), make(chan struct{})
	var wg sync.WaitGroup
	for i := 0; i < others; i++ {
		wg.Go(func() { holds(n) })
	}
	go woken(c, done, n)
	for i := 0; i < n; i++ {
		time.Sleep(50 * time.Microsecond)
		round.Store(int64(i + 1))
		for holding.Load() < int64((i+1)*others) {
			runtime.Gosched()
		}
		c <- time.Now()
		for ran.Load() <= int64(i) {
		}
		<-done
	}
	wg.Wait()
	printTail("wake_held", n)
}

func idle()         { wake("wake_idle", nil, false, samples) }
func busy()         { wake("wake_busy", polite, true, samples/5) }
func besideGreedy() { wake("wake_greedy", greedy, false, greedySamples) }

func main() {
	benchMain(work{"idle", idle}, work{"busy", busy}, work{"greedy", besideGreedy},
		work{"held", held})
}
