package tokens

// Explanation is a decoded token with the outcome of every check, in the order of the checks.
type Explanation struct {
	Scheme string  `json:"scheme"`
	Fields []Field `json:"fields,omitempty"`
	Checks []Check `json:"checks"`
}

// Field is one decoded part of a token, in the token's own order.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Note reads the value for a person, for example a time in words. May be empty.
	Note string `json:"note,omitempty"`
}

// Outcome is the result of one check. The zero Outcome means that the check was not made.
type Outcome string

// Outcomes of a check.
const (
	Passed     Outcome = "passed"
	Failed     Outcome = "failed"
	NotChecked Outcome = "not_checked"
)

// Check is one thing that an edge would test.
type Check struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason,omitempty"`
	// Message says why, and what would be right.
	Message string `json:"message,omitempty"`
}

// Pass records a check that holds.
func (e *Explanation) Pass(name, message string) {
	e.Checks = append(e.Checks, Check{Name: name, Outcome: Passed, Message: message})
}

// Skip records a check that could not be made, and why.
func (e *Explanation) Skip(name, message string) {
	e.Checks = append(e.Checks, Check{Name: name, Outcome: NotChecked, Message: message})
}

// Fail records a check that fails with the given refusal.
func (e *Explanation) Fail(name string, err *Error) {
	e.Checks = append(e.Checks, Check{Name: name, Outcome: Failed, Reason: err.Reason, Message: err.Message})
}

// Record records a check that was made: failed with err, or where that is nil passed.
func (e *Explanation) Record(name string, err *Error, passed string) {
	if err != nil {
		e.Fail(name, err)
		return
	}
	e.Pass(name, passed)
}

// Err returns the first failed check as a refusal, or nil when none failed. A nil result with a check
// left out does not mean that the token is good.
func (e *Explanation) Err() error {
	for _, c := range e.Checks {
		if c.Outcome == Failed {
			return Refuse(c.Reason, "%s", c.Message)
		}
	}
	return nil
}
