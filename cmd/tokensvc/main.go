// Command tokensvc signs playback URLs, keeps the keys that sign them, and tells why a token is
// refused. `tokensvc dev` is a whole sandbox in one process; `tokensvc serve` is the service.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], system{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()})
	stop()
	os.Exit(code)
}
