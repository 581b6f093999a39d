package config

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	// Key is the path of the setting, for example "playbacks[2].ttl"; empty for the whole.
	Key string
	// Where says what set it: "tokensvc.yaml:12", "TOKENSVC_LISTEN_GRPC" or "--listen-grpc". Empty for
	// a default, or a Config made in Go.
	Where string
	// Message says what is wrong and what would be right.
	Message string
}

// String joins the parts.
func (f Fault) String() string {
	return strings.Join(slices.DeleteFunc([]string{f.Where, f.Key, f.Message}, func(s string) bool { return s == "" }), ": ")
}

// Warning is something legal that is probably not meant.
type Warning Fault

// String joins the parts.
func (w Warning) String() string { return Fault(w).String() }

// Error lists every fault of a configuration.
type Error struct{ Faults []Fault }

// Error puts each fault on a line of its own.
func (e *Error) Error() string {
	if len(e.Faults) == 1 {
		return "configuration: " + e.Faults[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the configuration has %d faults:", len(e.Faults))
	for _, f := range e.Faults {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}

// faults collects while a configuration is read.
type faults struct {
	list []Fault
	// origin maps the path of a setting to what set it.
	origin map[string]string
}

func (f *faults) add(key, where, format string, args ...any) {
	f.list = append(f.list, Fault{Key: key, Where: where, Message: fmt.Sprintf(format, args...)})
}

// err returns what was collected, or nil.
func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	return &Error{Faults: f.list}
}

// merge takes over faults of the values as a whole, with their origin. A setting that is known to be
// at fault, or lies below one, stands only once.
func (f *faults) merge(more []Fault) {
	known := make([]string, 0, len(f.list))
	for _, k := range f.list {
		known = append(known, k.Key)
	}
	for _, m := range more {
		if !slices.ContainsFunc(known, func(k string) bool { return k != "" && within(m.Key, k) }) {
			m.Where = f.where(m.Key)
			f.list = append(f.list, m)
		}
	}
}

// where returns what set a key, or the nearest section around it.
func (f *faults) where(key string) string {
	for key != "" {
		if w, ok := f.origin[key]; ok {
			return w
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return ""
}

// within reports whether key is the section or lies below it.
func within(key, section string) bool {
	rest, ok := strings.CutPrefix(key, section)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// nearest returns the candidate that is most like a mistyped name, or "" when none is like it.
func nearest(name string, candidates []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, c := range candidates {
		if d := distance(name, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to insert, remove, change or swap with their neighbor.
func distance(a, b string) int {
	if len(a) > 128 || len(b) > 128 {
		return len(a) + len(b)
	}
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		now[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			now[j+1] = min(last[j+1]+1, now[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
