package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// freeaddr returns a command that sets variables to addresses nobody listens on: freeaddr NAME…. It counts up below
// the ports that the kernel hands out, so that none is given twice, nor taken by a connection before its service
// listens.
func freeaddr() func(ts *testscript.TestScript, neg bool, args []string) {
	var given atomic.Int32
	first := 20000 + os.Getpid()%8000
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 {
			ts.Fatalf("usage: freeaddr NAME…")
		}
		for tries := 0; len(args) > 0; tries++ {
			if tries == 1000 {
				ts.Fatalf("no free address")
			}
			address := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+int(given.Add(1))%4000))
			var lc net.ListenConfig
			l, err := lc.Listen(context.Background(), "tcp", address)
			if err != nil {
				continue // somebody else's
			}
			ts.Check(l.Close())
			ts.Setenv(args[0], address)
			args = args[1:]
		}
	}
}

// ready waits until a service answers: ready HTTP-ADDRESS.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready ADDRESS")
	}
	client := http.Client{Timeout: time.Second}
	for range 200 {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+args[0]+"/readyz", http.NoBody)
		ts.Check(err)
		if answer, err := client.Do(request); err == nil {
			ts.Check(answer.Body.Close())
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("no service became ready at %s", args[0])
}
