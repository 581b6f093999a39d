package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// freeaddr sets variables to loopback addresses that were free a moment ago: freeaddr NAME….
func freeaddr(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: freeaddr NAME…")
	}
	for _, name := range args {
		var lc net.ListenConfig
		l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
		ts.Check(err)
		ts.Setenv(name, l.Addr().String())
		ts.Check(l.Close())
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
