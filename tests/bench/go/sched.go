// SPDX-License-Identifier: MIT

//go:build ignore

// The twin of ../sched.c: the scheduler alone, without a channel.
package main

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// k goroutines yield 10 million times in all.
func yield() {
	n, k := 10000000, option("-k", 2)
	var wg sync.WaitGroup
	start := time.Now()
	for i := 0; i < k; i++ {
		wg.Add(1)
		go func() {
			for j := 0; j < n/k; j++ {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	printNs("ns_yield", start, n)
}

// 10 million goroutines that only report, b at a time.
func spawn() {
	n, b := 10000000, option("-b", 1000)
	var wg sync.WaitGroup
	start := time.Now()
	for i := 0; i < n; i += b {
		wg.Add(b)
		for j := 0; j < b; j++ {
			go func() { wg.Done() }()
		}
		wg.Wait()
	}
	printNs("ns_spawn", start, n)
}

// The least program: one goroutine.
func nothing() {
	var wg sync.WaitGroup
	wg.Add(1)
	go func() { wg.Done() }()
	wg.Wait()
}

// From its start to its end, as a process.
func process() {
	self, _ := os.Executable()
	starter := os.Getenv("STARTER")
	err := syscall.Exec(starter, []string{starter, self, "nothing"}, os.Environ())
	must(err == nil, "STARTER can be started")
}

func main() {
	benchMain(work{"yield", yield}, work{"spawn", spawn}, work{"nothing", nothing}, work{"process", process})
}
