// SPDX-License-Identifier: MIT

//go:build ignore

// What the twins share: the words of the command line and the KEY=VALUE lines of ../bench.h. Each
// twin is built from its own file and this one.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

type work struct {
	name string
	run  func()
}

// The number after the option name, or what it is without that.
func option(name string, otherwise int) int {
	for i := 2; i+1 < len(os.Args); i += 2 {
		if os.Args[i] == name {
			n, _ := strconv.Atoi(os.Args[i+1])
			return n
		}
	}
	return otherwise
}

func printValue(key string, value float64) {
	fmt.Printf("%s=%.2f\n", key, value)
}

func printNs(key string, start time.Time, n int) {
	printValue(key, float64(time.Since(start).Nanoseconds())/float64(n))
}

func printMs(key string, start time.Time) {
	printValue(key, float64(time.Since(start).Nanoseconds())/1e6)
}

func must(right bool, what string) {
	if !right {
		fmt.Fprintln(os.Stderr, "wrong result:", what)
		os.Exit(1)
	}
}

// KiB of this process by a name in /proc/self/status.
func statusKib(name string) float64 {
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, name+":") {
			kib, _ := strconv.ParseFloat(strings.Fields(line)[1], 64)
			return kib
		}
	}
	return 0
}

func benchMain(works ...work) {
	for _, w := range works {
		if len(os.Args) > 1 && w.name == os.Args[1] {
			w.run()
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: PROGRAM WORK [-OPTION N]..., WORK one of:")
	for _, w := range works {
		fmt.Fprintln(os.Stderr, " ", w.name)
	}
	os.Exit(2)
}
