// SPDX-License-Identifier: MIT

//go:build ignore

// The twin of ../grow.c: one operation beside more and more of what it has nothing to do with.
package main

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

func passOn(in <-chan int, out chan<- int) {
	for v := range in {
		out <- v
	}
}

// A token goes around a ring of n.
func ring() {
	n := option("-n", 1000)
	hops := 2000000
	if n >= 1000000 {
		hops = 2 * n
	}
	first := make(chan int)
	in := first
	var out chan int
	for i := 0; i < n; i++ {
		out = make(chan int)
		go passOn(in, out)
		in = out
	}
	first <- 0 // all have run once
	<-out
	rounds, sum := hops/n, 0
	start := time.Now()
	for i := 1; i <= rounds; i++ {
		first <- i
		sum += <-out
	}
	printNs("ns_hop", start, rounds*(n+1))
	must(sum == rounds*(rounds+1)/2, "ring")
}

// n channels are sent to and received from, in turn.
func chans() {
	n, ops, sum := option("-n", 1000), 4000000, 0
	c := make([]chan int, n)
	for i := range c {
		c[i] = make(chan int, 1)
		c[i] <- 1
		sum += <-c[i]
	}
	start := time.Now()
	for i := 0; i < ops; i++ {
		c[i%n] <- 1
		sum += <-c[i%n]
	}
	printNs("ns_pair", start, ops)
	must(sum == n+ops, "chans")
}

func nothing() {}

// One timer is set and stopped while n others run.
func timers() {
	n, ops, stopped := option("-n", 1000), 1000000, 0
	for i := 0; i < n; i++ {
		time.AfterFunc(time.Hour+time.Duration(i*7919%n)*time.Microsecond, nothing)
	}
	start := time.Now()
	for i := 0; i < ops; i++ {
		if time.AfterFunc(time.Hour+time.Duration(i*7919%(n+1))*time.Microsecond, nothing).Stop() {
			stopped++
		}
	}
	printNs("ns_timer", start, ops)
	must(stopped == ops, "timers")
}

// n goroutines select over one hot channel and one of their own.
func waiters() {
	n, ops := option("-n", 100), 500000
	hot, own := make(chan int), make(chan int)
	var wg sync.WaitGroup
	var sum atomic.Int64
	for i := 0; i < n; i++ {
		wg.Go(func() {
			got := 0
			for {
				select {
				case v := <-hot:
					got += v
					continue
				case <-own:
				}
				break
			}
			sum.Add(int64(got))
		})
	}
	for i := 0; i < n; i++ {
		hot <- 0
	}
	start := time.Now()
	for i := 0; i < ops; i++ {
		hot <- 1
	}
	printNs("ns_hot_send", start, ops)
	for i := 0; i < n; i++ {
		own <- 0
	}
	wg.Wait()
	must(sum.Load() == int64(ops), "waiters")
}

// A select of n, of which one is ready, another one each time. The number is known at run time
// only, as in rn_selectv.
func cases() {
	n := option("-n", 4)
	ops, wrong := 4000000/n, 0
	c := make([]chan int, n)
	all := make([]reflect.SelectCase, n)
	for i := range c {
		c[i] = make(chan int, 1)
		all[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c[i])}
	}
	start := time.Now()
	for i := 0; i < ops; i++ {
		c[i%n] <- i
		if which, _, _ := reflect.Select(all); which != i%n {
			wrong++
		}
	}
	printNs("ns_select", start, ops)
	must(wrong == 0, "cases")
}

type key int

// A value looked up from the depth of n.
func depth() {
	n := option("-n", 10)
	ops, found := 1000000, 0
	if n >= 100 {
		ops /= n / 100
	}
	ctx := context.WithValue(context.Background(), key(0), ops)
	for i := 1; i < n; i++ {
		ctx = context.WithValue(ctx, key(1), 0)
	}
	start := time.Now()
	for i := 0; i < ops; i++ {
		if ctx.Value(key(0)) == ops {
			found++
		}
	}
	printNs("ns_value", start, ops)
	must(found == ops, "depth")
}

// An end that reaches n children.
func width() {
	n := option("-n", 10)
	rounds, right := 500000/n+1, true
	child := make([]context.Context, n)
	start := time.Now()
	for r := 0; r < rounds; r++ {
		parent, cancel := context.WithCancel(context.Background())
		for i := range child {
			var cancelChild context.CancelFunc
			child[i], cancelChild = context.WithCancel(parent)
			_ = cancelChild // the parent's does it
		}
		cancel()
		for i := range child {
			right = right && child[i].Err() == context.Canceled
		}
	}
	printNs("ns_child", start, rounds*n)
	must(right, "width")
}

func main() {
	benchMain(work{"ring", ring}, work{"chans", chans}, work{"settimer", timers}, work{"waiters", waiters},
		work{"cases", cases}, work{"depth", depth}, work{"width", width})
}
