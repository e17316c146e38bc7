// SPDX-License-Identifier: MIT

//go:build ignore

// The twin of ../ctx.c: what a context costs from its making to its end, and how long it takes to
// end 100,000.
package main

import (
	"context"
	"sync"
	"time"
)

const n, childrenN, fan, depth = 1000000, 100000, 10, 5

// -- one --

func oneCancel(key string, parent context.Context) {
	start := time.Now()
	for i := 0; i < n; i++ {
		_, cancel := context.WithCancel(parent)
		cancel()
	}
	printNs(key, start, n)
}

func oneTimeout(key string, parent context.Context) {
	start := time.Now()
	for i := 0; i < n; i++ {
		_, cancel := context.WithTimeout(parent, time.Hour)
		cancel()
	}
	printNs(key, start, n)
}

func single() {
	parent, cancel := context.WithCancel(context.Background())
	oneCancel("ns_with_cancel", context.Background())
	oneTimeout("ns_with_timeout", context.Background())
	oneCancel("ns_child_with_cancel", parent)
	oneTimeout("ns_child_with_timeout", parent)
	cancel()
}

// -- many --

var all []context.Context

func check() {
	right := true
	for _, c := range all {
		right = right && c.Err() == context.Canceled
	}
	all = nil
	must(right, "contexts ended")
}

func children() {
	parent, cancel := context.WithCancel(context.Background())
	all = make([]context.Context, 0, childrenN)
	start := time.Now()
	for i := 0; i < childrenN; i++ {
		c, _ := context.WithCancel(parent)
		all = append(all, c)
	}
	printMs("ms_children_create", start)
	start = time.Now()
	cancel()
	printMs("ms_children_cancel", start)
	check()
}

func grow(parent context.Context, depth int) {
	for i := 0; depth > 0 && i < fan; i++ {
		c, _ := context.WithCancel(parent)
		all = append(all, c)
		grow(c, depth-1)
	}
}

func tree() {
	root, cancel := context.WithCancel(context.Background())
	all = make([]context.Context, 0, 200000)
	start := time.Now()
	grow(root, depth)
	printMs("ms_tree_create", start)
	start = time.Now()
	cancel()
	printMs("ms_tree_cancel", start)
	check()
}

func endUnderWaiters() time.Time {
	parent, cancel := context.WithCancel(context.Background())
	var coming, leaving sync.WaitGroup
	coming.Add(childrenN)
	leaving.Add(childrenN)
	for i := 0; i < childrenN; i++ {
		c, _ := context.WithCancel(parent)
		go func() {
			done := c.Done()
			coming.Done()
			<-done
			leaving.Done()
		}()
	}
	coming.Wait()
	time.Sleep(100 * time.Millisecond) // the last have said that they come, and are about to wait
	start := time.Now()
	cancel()
	leaving.Wait()
	return start
}

// A goroutine waits for each. The first time is for the memory to come.
func waiters() {
	endUnderWaiters()
	printMs("ms_waiters_cancel", endUnderWaiters())
}

func main() {
	benchMain(work{"single", single}, work{"children", children}, work{"tree", tree}, work{"waiters", waiters})
}
