package streamapi_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(ridChild); name != "" {
		fmt.Fprintln(os.Stderr, useRIDs(name))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}
