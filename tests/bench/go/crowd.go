// SPDX-License-Identifier: MIT

//go:build ignore

// The twin of ../crowd.c: a million goroutines that compute a sum, that are parked, that sleep.
package main

import (
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// A node adds up its ten children.
func node(up chan int, first, size int) {
	if size == 1 {
		up <- first
		return
	}
	down := make(chan int)
	sum := 0
	for i := 0; i < 10; i++ {
		go node(down, first+i*(size/10), size/10)
	}
	for i := 0; i < 10; i++ {
		sum += <-down
	}
	up <- sum
}

// A tree with a million leaves, 1,111,111 goroutines.
func skynet() {
	c := make(chan int)
	start := time.Now()
	go node(c, 0, 1000000)
	must(<-c == 499999500000, "skynet")
	printMs("ms_skynet", start)
	printValue("kib_peak", statusKib("VmHWM"))
}

// Starts n goroutines that wait at the gate.
func park(n int, running, ended *sync.WaitGroup) chan int {
	gate := make(chan int)
	running.Add(n)
	ended.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			running.Done()
			<-gate
			ended.Done()
		}()
	}
	return gate
}

// n goroutines wait on one channel: start to all running, memory of each, close to all ended.
// Memory is what is left after a collection, whose time does not count.
func parked() {
	n := option("-n", 1000000)
	debug.FreeOSMemory()
	rss, pte := statusKib("VmRSS"), statusKib("VmPTE")
	var running, ended sync.WaitGroup
	start := time.Now()
	gate := park(n, &running, &ended)
	running.Wait()
	printMs("ms_spawn", start)
	debug.FreeOSMemory()
	printValue("bytes_resident", (statusKib("VmRSS")-rss)*1024/float64(n))
	printValue("bytes_tables", (statusKib("VmPTE")-pte)*1024/float64(n))
	start = time.Now()
	close(gate)
	ended.Wait()
	printMs("ms_wake", start)
}

// What n goroutines cost: started and not yet run, parked; and what is left of it some seconds
// after the last has ended. There is no other stack size to ask for.
func memory() {
	n := option("-n", 1000000)
	debug.FreeOSMemory()
	startRss := statusKib("VmRSS")
	rss, pte := startRss, statusKib("VmPTE")
	var running, ended sync.WaitGroup
	gate := park(n, &running, &ended)
	if runtime.GOMAXPROCS(0) == 1 {
		printValue("bytes_unrun", (statusKib("VmRSS")-rss)*1024/float64(n))
	}
	running.Wait()
	debug.FreeOSMemory()
	printValue("bytes_parked", (statusKib("VmRSS")-rss+statusKib("VmPTE")-pte)*1024/float64(n))
	close(gate)
	ended.Wait()
	printValue("kib_start", startRss)
	time.Sleep(5 * time.Second)
	printValue("kib_after_5s", statusKib("VmRSS"))
}

func cpuMs() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return 1e3*float64(used.Utime.Sec+used.Stime.Sec) + 1e-3*float64(used.Utime.Usec+used.Stime.Usec)
}

// n goroutines sleep s seconds each: processor time of it all, and how much later than s after the
// start the last ends.
func sleepers() {
	n, length := option("-n", 1000000), time.Duration(option("-s", 10))*time.Second
	var ended sync.WaitGroup
	start := time.Now()
	ended.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			time.Sleep(length)
			ended.Done()
		}()
	}
	ended.Wait()
	printMs("ms_late", start.Add(length))
	printValue("ms_cpu", cpuMs())
	printValue("kib_peak", statusKib("VmHWM"))
}

func main() {
	benchMain(work{"skynet", skynet}, work{"parked", parked}, work{"memory", memory}, work{"sleepers", sleepers})
}
