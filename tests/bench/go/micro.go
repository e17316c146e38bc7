// SPDX-License-Identifier: MIT

//go:build ignore

// The twin of ../micro.c: single operations that need not wait.
package main

import (
	"runtime"
	"sync"
	"time"
)

const n = 5000000

// A buffered channel nobody else uses: a send and a receive.
func pair() {
	c := make(chan int, 100)
	start := time.Now()
	for i := 0; i < n; i++ {
		c <- i
		<-c
	}
	printNs("ns_pair", start, n)
}

// The same on one channel by as many goroutines as may run at the same time.
func contendedPair() {
	c := make(chan int, 128)
	goroutines := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	start := time.Now()
	wg.Add(goroutines)
	for i := 0; i < goroutines; i++ {
		go func() {
			for j := 0; j < n/goroutines; j++ {
				c <- 1
				<-c
			}
			wg.Done()
		}()
	}
	wg.Wait()
	printNs("ns_contended_pair", start, n)
}

func tryRecv() {
	c := make(chan int)
	got := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		select {
		case <-c:
			got++
		default:
		}
	}
	printNs("ns_try_recv_not_ready", start, n)
	must(got == 0, "try_recv")
}

func selectDefault() {
	in, out := make(chan int), make(chan int)
	got := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		select {
		case <-in:
			got++
		case out <- 1:
			got++
		default:
		}
	}
	printNs("ns_select2_default", start, n)
	must(got == 0, "select with default")
}

// One of the two is always ready: a value goes to and fro.
func selectReady() {
	a, b := make(chan int, 1), make(chan int, 1)
	a <- 1
	start := time.Now()
	for i := 0; i < n; i++ {
		select {
		case v := <-a:
			b <- v
		case v := <-b:
			a <- v
		}
	}
	printNs("ns_select2_ready", start, n)
	must(len(a)+len(b) == 1, "select of two")
}

func recvClosed() {
	c := make(chan int)
	close(c)
	got := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		if _, ok := <-c; ok {
			got++
		}
	}
	printNs("ns_recv_closed", start, n)
	must(got == 0, "receive from closed")
}

// A channel is made, used once and left to the collector.
func makeChan() {
	start := time.Now()
	for i := 0; i < n/5; i++ {
		c := make(chan int, 1)
		c <- i
		<-c
	}
	printNs("ns_make_chan", start, n/5)
}

func wgAddDone() {
	var wg sync.WaitGroup
	start := time.Now()
	for i := 0; i < n; i++ {
		wg.Add(1)
		wg.Done()
	}
	printNs("ns_wg_add_done", start, n)
	wg.Wait()
}

func mutexAlone() {
	var m sync.Mutex
	start := time.Now()
	for i := 0; i < n; i++ {
		m.Lock()
		m.Unlock()
	}
	printNs("ns_mutex", start, n)
}

// The same number of times in all, by eight goroutines that want one mutex.
func mutexContended() {
	const goroutines = 8
	var m sync.Mutex
	var wg sync.WaitGroup
	shared := 0
	start := time.Now()
	wg.Add(goroutines)
	for i := 0; i < goroutines; i++ {
		go func() {
			for j := 0; j < n/goroutines; j++ {
				m.Lock()
				shared++
				m.Unlock()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	printNs("ns_mutex_contended", start, n)
	must(shared == n/goroutines*goroutines, "mutual exclusion")
}

func rwmutexRead() {
	var m sync.RWMutex
	start := time.Now()
	for i := 0; i < n; i++ {
		m.RLock()
		m.RUnlock()
	}
	printNs("ns_rwmutex_read", start, n)
}

func onceAgain() {
	var o sync.Once
	start := time.Now()
	for i := 0; i < n; i++ {
		o.Do(func() {})
	}
	printNs("ns_once_done", start, n)
}

func micro() {
	pair()
	contendedPair()
	tryRecv()
	selectDefault()
	selectReady()
	recvClosed()
	makeChan()
	wgAddDone()
	mutexAlone()
	mutexContended()
	rwmutexRead()
	onceAgain()
}

func main() {
	benchMain(work{"micro", micro})
}
