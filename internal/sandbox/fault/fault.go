package fault

import (
	"bytes"
	"net/http"
	"time"
)

// Fault is one thing that goes wrong. The zero Fault is none. The constructors below cover what providers
// and networks do; a Fault can also be put together by hand.
type Fault struct {
	// After lets the call take effect before it goes wrong. Without it the provider never sees the call.
	After bool
	// Do runs before the call is handled: a foreign writer, for example.
	Do func()
	// Delay holds the answer back, or until the caller gives up.
	Delay time.Duration
	// Abort closes the connection without an answer; Reset does the same with a TCP reset.
	Abort, Reset bool
	// Truncate sends the head and half of the body, then closes the connection; nothing of an answer without one.
	Truncate bool
	// Status replaces the answer by this status, Header and Body. 0 keeps the answer.
	Status int
	Header http.Header
	Body   []byte
}

// AfterEffect returns the same fault, but the call takes effect first.
func (f Fault) AfterEffect() Fault {
	f.After = true
	return f
}

// LostBefore loses the request: no effect, no answer.
func LostBefore() Fault { return Fault{Abort: true} }

// LostAfter loses the answer: the call took effect.
func LostAfter() Fault { return Fault{Abort: true, After: true} }

// Reset resets the connection before the effect.
func Reset() Fault { return Fault{Reset: true} }

// Status answers with a status and a small JSON object, without an effect.
func Status(code int) Fault {
	return Fault{
		Status: code,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   []byte(`{}`),
	}
}

// Throttled answers 429. retryAfter becomes the Retry-After header as it stands; empty leaves it out.
func Throttled(retryAfter string) Fault {
	f := Status(http.StatusTooManyRequests)
	if retryAfter != "" {
		f.Header.Set("Retry-After", retryAfter)
	}
	return f
}

// Conflict answers 409.
func Conflict() Fault { return Status(http.StatusConflict) }

// Locked answers 423.
func Locked() Fault { return Status(http.StatusLocked) }

// HTML answers with a page, as a proxy in front of the provider does.
func HTML(code int) Fault {
	return Fault{
		Status: code,
		Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		Body:   []byte("<!doctype html><title>Bad gateway</title><h1>Something is wrong</h1>"),
	}
}

// Redirect answers 302 to a location.
func Redirect(location string) Fault {
	f := Status(http.StatusFound)
	f.Header.Set("Location", location)
	return f
}

// Huge answers 200 with a JSON object of more than size bytes.
func Huge(size int) Fault {
	f := Status(http.StatusOK)
	f.Body = append(append([]byte(`{"filler":"`), bytes.Repeat([]byte("x"), size)...), `"}`...)
	return f
}

// Truncated lets the call take effect and breaks off in the middle of the answer.
func Truncated() Fault { return Fault{Truncate: true, After: true} }

// Slow lets the call take effect and holds the answer back.
func Slow(d time.Duration) Fault { return Fault{Delay: d, After: true} }

// Foreign runs write, as another writer would, just before the call is handled; the call itself goes well. On
// a write that follows a read, it is the writer between both.
func Foreign(write func()) Fault { return Fault{Do: write, After: true} }
