// SPDX-License-Identifier: MIT

//go:build ignore

// The twin of ../chan.c: goroutines that talk over channels.
package main

import (
	"sync"
	"time"
)

func ponger(in <-chan int, out chan<- int) {
	for v := range in {
		out <- v + 1
	}
}

// 2 million round trips over two unbuffered channels.
func pingpong() {
	const n = 2000000
	ping, pong := make(chan int), make(chan int)
	go ponger(ping, pong)
	sum := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		ping <- i
		sum += <-pong
	}
	printNs("ns_roundtrip", start, n)
	close(ping)
	must(sum == n*(n+1)/2, "pingpong")
}

func ringMember(id int, in <-chan int, out, last chan<- int) {
	for {
		token := <-in
		if token == 0 {
			break
		}
		out <- token - 1
	}
	last <- id
}

// A token goes 5 million hops around a ring of 503.
func threadring() {
	const n, ring = 5000000, 503
	first, last := make(chan int), make(chan int)
	in := first
	for i := 1; i <= ring; i++ {
		out := first
		if i < ring {
			out = make(chan int)
		}
		go ringMember(i, in, out, last)
		in = out
	}
	start := time.Now()
	first <- n
	must(<-last == n%ring+1, "threadring")
	printNs("ns_hop", start, n)
}

func producer(c chan<- int, n int, wg *sync.WaitGroup) {
	for i := 0; i < n; i++ {
		c <- i
	}
	wg.Done()
}

func consumer(c <-chan int, sum *int, wg *sync.WaitGroup) {
	s := 0
	for v := range c {
		s += v
	}
	*sum = s
	wg.Done()
}

func producerCloses(c chan<- int, n int) {
	for i := 0; i < n; i++ {
		c <- i
	}
	close(c)
}

// One producer, and main consumes: 10 million, 5 million if unbuffered.
func spsc() {
	capacity, n := option("-cap", 128), 10000000
	if capacity == 0 {
		n = 5000000
	}
	c := make(chan int, capacity)
	sum := 0
	start := time.Now()
	go producerCloses(c, n)
	for v := range c {
		sum += v
	}
	printNs("ns_item", start, n)
	must(sum == n*(n-1)/2, "spsc")
}

// 4 producers and 4 consumers on one channel: 10 million.
func mpmc() {
	const n, side = 10000000, 4
	const each = n / side
	c := make(chan int, option("-cap", 128))
	var producers, consumers sync.WaitGroup
	var sums [side]int
	start := time.Now()
	for i := 0; i < side; i++ {
		producers.Add(1)
		go producer(c, each, &producers)
	}
	for i := 0; i < side; i++ {
		consumers.Add(1)
		go consumer(c, &sums[i], &consumers)
	}
	producers.Wait()
	close(c)
	consumers.Wait()
	printNs("ns_item", start, n)
	sum := 0
	for _, s := range sums {
		sum += s
	}
	must(sum == side*(each*(each-1)/2), "mpmc")
}

func worker(jobs <-chan int, results chan<- int) {
	for job := range jobs {
		results <- job * 2
	}
}

// 8 workers between a channel of jobs and one of results: 5 million jobs.
func workerpool() {
	const n = 5000000
	jobs, results := make(chan int, 100), make(chan int, 100)
	sum := 0
	start := time.Now()
	for i := 0; i < 8; i++ {
		go worker(jobs, results)
	}
	go producerCloses(jobs, n)
	for i := 0; i < n; i++ {
		sum += <-results
	}
	printNs("ns_job", start, n)
	must(sum == n*(n-1), "workerpool")
}

// main selects over two channels with a producer each: 5 million values.
func selectloop() {
	const n = 5000000
	capacity := option("-cap", 0)
	a, b := make(chan int, capacity), make(chan int, capacity)
	var producers sync.WaitGroup
	ofA, ofB, sum := 0, 0, 0
	start := time.Now()
	producers.Add(2)
	go producer(a, n/2, &producers)
	go producer(b, n/2, &producers)
	for i := 0; i < n; i++ {
		select {
		case v := <-a:
			ofA++
			sum += v
		case v := <-b:
			ofB++
			sum += v
		}
	}
	producers.Wait()
	printNs("ns_select", start, n)
	must(ofA == n/2 && ofB == n/2 && sum == n/2*(n/2-1), "selectloop")
}

func countFromTwo(out chan<- int) {
	for i := 2; ; i++ {
		out <- i
	}
}

func filter(in <-chan int, out chan<- int, prime int) {
	for {
		i := <-in
		if i%prime != 0 {
			out <- i
		}
	}
}

// The concurrent prime sieve up to the 4,000th prime, over unbuffered channels.
func sieve() {
	in := make(chan int)
	start := time.Now()
	prime := 0
	go countFromTwo(in)
	for i := 0; i < 4000; i++ {
		out := make(chan int)
		prime = <-in
		go filter(in, out, prime)
		in = out
	}
	printMs("ms_sieve", start)
	must(prime == 37813, "sieve")
}

func main() {
	benchMain(work{"pingpong", pingpong}, work{"threadring", threadring}, work{"spsc", spsc}, work{"mpmc", mpmc},
		work{"workerpool", workerpool}, work{"selectloop", selectloop}, work{"sieve", sieve})
}
