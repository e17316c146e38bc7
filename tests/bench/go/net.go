// SPDX-License-Identifier: MIT

//go:build ignore

// The twin of ../net.c.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"sort"
	"syscall"
	"time"
)

func serve(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 2048)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func echo() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err == nil, "listen")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	client := exec.Command(os.Getenv("NETCLIENT"), fmt.Sprint(l.Addr().(*net.TCPAddr).Port), fmt.Sprint(os.Getpid()),
		fmt.Sprint(option("-c", 100)), fmt.Sprint(option("-n", 400000)))
	client.Stdout, client.Stderr = os.Stdout, os.Stderr
	must(client.Run() == nil, "the client ends well")
}

func deadline() {
	const samples = 1000
	p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(err == nil, "a pair of sockets")
	c, err := net.FileConn(os.NewFile(uintptr(p[0]), "pair"))
	must(err == nil, "a connection")
	late := make([]time.Duration, samples)
	var b [1]byte
	for i := range late {
		until := time.Now().Add(time.Millisecond + time.Duration(i%10)*100*time.Microsecond)
		c.SetReadDeadline(until)
		_, err := c.Read(b[:])
		must(err != nil, "nothing to read")
		late[i] = time.Since(until)
	}
	sort.Slice(late, func(i, j int) bool { return late[i] < late[j] })
	printValue("us_deadline_p50", float64(late[(samples-1)/2].Nanoseconds())/1e3)
	printValue("us_deadline_p99", float64(late[(samples-1)*99/100].Nanoseconds())/1e3)
}

func main() {
	benchMain(work{"echo", echo}, work{"deadline", deadline})
}
