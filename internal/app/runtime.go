package app

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/tokensvc/tokensvc/internal/server"
)

// heapGrowth is by how many percent the heap may outgrow what is live before it is collected. A
// service that keeps ten megabytes and makes garbage of each call would otherwise collect dozens of
// times a second: at 400 a call costs a third less CPU and the slowest hundredth of calls takes half
// the time, for some forty megabytes more (internal/bench measures both).
const heapGrowth = 400

// TuneRuntime fits the Go runtime to signing and returns the number of CPUs available. environ is as
// os.Environ returns it; GOGC there stands above heapGrowth.
//
// GOMAXPROCS becomes twice the CPUs: RSA signatures run on as many workers as there are CPUs and do not
// yield; with twice as many Ps the network poller and HMAC work always find a free one.
func TuneRuntime(environ []string) (cpus int) {
	cpus = runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(2 * cpus)
	if !slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOGC=") }) {
		debug.SetGCPercent(heapGrowth)
	}
	return cpus
}

// RouteLibraryLogs sends what libraries log of themselves to log. It is for the whole process; call it
// once, before anything else.
func RouteLibraryLogs(log *slog.Logger) { server.RouteLibraryLogs(log) }
