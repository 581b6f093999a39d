package agora

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// DefaultCallsPerSecond is what Agora documents.
const DefaultCallsPerSecond = 50

// Config is what a Server starts with.
type Config struct {
	// AppID is the project in every path. Required.
	AppID string
	// CustomerID and CustomerSecret are what calls are signed with. Required.
	CustomerID     string
	CustomerSecret tokens.Secret
	// Now is the server's clock. Required.
	Now func() time.Time
	// Propagation is how long the edges take to learn a changed authKey. 0 means that they know at once.
	Propagation time.Duration
	// Gap makes edges accept neither the old authKey nor the new one while a change is on its way. Agora does not
	// say what happens then; this is the worst. To write the same authKey again is a change too.
	Gap bool
	// CallsPerSecond is the limit beyond which calls are answered 429; 0 means DefaultCallsPerSecond.
	CallsPerSecond int
}

func (c Config) check() error {
	switch {
	case c.AppID == "" || c.CustomerID == "" || c.CustomerSecret.Len() == 0 || c.Now == nil:
		return errors.New("an app id, a customer id, its secret and a clock are needed")
	case c.Propagation < 0:
		return fmt.Errorf("a propagation time of %v: want 0 or more", c.Propagation)
	case c.CallsPerSecond < 0:
		return fmt.Errorf("%d calls a second: want 0 for the default, or more", c.CallsPerSecond)
	}
	return nil
}

// domainName is the form of names that domains can have; Agora takes no wildcards.
func domainName() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$`)
}

func entryPointName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`) }
