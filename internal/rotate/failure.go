package rotate

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
)

// Classes as the journal holds them.
const (
	classRejected  = "rejected"
	classThrottled = "throttled"
	classDenied    = "denied"
	classAmbiguous = "ambiguous"
	classForeign   = "foreign"
	classInternal  = "internal"
)

// alarmAfter is how many failures of one step are worth a person's look.
const alarmAfter = 5

// errForeign: a slot holds what somebody else has set, and the policy does not let us overwrite it.
var errForeign = errors.New("somebody else has set the secret; decide with the policy on_drift")

// errNoSecondKey: the provider refuses to make a key while the target has one. That it takes two is not documented.
var errNoSecondKey = errors.New("the provider refuses a key beside the present one")

// Class returns the class of a failure, as metrics and the journal name it.
func Class(err error) string {
	switch {
	case errors.Is(err, provider.ErrRejected):
		return classRejected
	case errors.Is(err, provider.ErrThrottled):
		return classThrottled
	case errors.Is(err, provider.ErrDenied):
		return classDenied
	case errors.Is(err, provider.ErrAmbiguous):
		return classAmbiguous
	case errors.Is(err, errForeign):
		return classForeign
	default:
		return classInternal
	}
}

// describe is the class and the provider's code, which is all that the journal keeps of a failure.
func describe(err error) string {
	text := Class(err)
	if failure, ok := errors.AsType[*provider.Error](err); ok {
		if failure.Status != 0 {
			text += " " + strconv.Itoa(failure.Status)
		}
		if failure.Code != "" && len(failure.Code) <= 64 {
			text += " " + failure.Code
		}
	}
	return text
}

// pause returns how long to wait after the given number of failures in a row.
func (e *Executor) pause(err error, tries int, closed bool, f Facts) time.Duration {
	limit := e.timing.RetryCap
	if closed {
		limit = e.timing.ClosedRetryCap
	}
	wait := e.timing.backoff(tries, limit)
	wait += time.Duration(e.jitter() * float64(wait) / 4)
	if failure, ok := errors.AsType[*provider.Error](err); ok {
		wait = max(wait, min(failure.RetryAfter, e.timing.RetryCap))
	}
	if errors.Is(err, provider.ErrAmbiguous) {
		wait = max(wait, e.timing.maxCall(f.Traits)) // the call may still be under way at the provider
	}
	return wait
}

// note writes a failure into the open operation.
func (e *Executor) note(op *keystore.Operation, err error, f Facts, now time.Time) {
	op.Tries++
	closed := op.Closed()
	op.NotBefore = now.Add(e.pause(err, op.Tries, closed, f))
	op.LastError = describe(err)
	op.UpdatedAt = now
	switch {
	case errors.Is(err, errForeign):
		op.Alarm = errForeign.Error()
	case errors.Is(err, provider.ErrDenied):
		op.Alarm = "the provider refuses the account's credentials or rights"
	case errors.Is(err, errNoSecondKey) && op.Mode == keystore.Replace:
		op.Alarm = fmt.Sprintf("the provider refuses a new key although key %d has made room; nothing is signed until it takes one", op.From)
	case errors.Is(err, errNoSecondKey):
		op.Alarm = fmt.Sprintf("needs_replace: %s; `tokensvc keys rotate %s --replace` deletes that first, with a pause in signing", errNoSecondKey, op.Target)
	case op.Tries >= alarmAfter:
		op.Alarm = string(op.Step) + " fails again and again: " + op.LastError
	}
}
