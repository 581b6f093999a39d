package qencode

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/tokensvc/tokensvc/internal/sandbox/fault"
	"github.com/tokensvc/tokensvc/tokens"
)

// Config is what a Server starts with.
type Config struct {
	// APIKey is what access tokens are given for. Required.
	APIKey tokens.Secret
	// Now is the clock of the edges, and without a Plan the API's. Required.
	Now func() time.Time
	// Propagation is how long the edges take to learn that a key was made or deleted. 0 means that they
	// know at once.
	Propagation time.Duration
	// Streams are the ids of the live streams there are, lower-case UUIDs: this API makes none.
	Streams []string
	// Buckets are the names of the media storage buckets there are: this API makes none.
	Buckets []string
	// Plan is what goes wrong, and who sees each effect; its clock is the API's, so that it can be off. nil
	// means that nothing goes wrong.
	Plan *fault.Plan
	// Pool is where keys come from; nil means one of the server's own. Servers that follow each other in one
	// test share one, so that no key is made twice.
	Pool *Pool
}

// Quirks are what the vendor does not document. The zero value is what its examples show.
type Quirks struct {
	// Errors200 answers errors with status 200 and an error member, as the vendor's other APIs do.
	Errors200 bool
	// OneKeyEach refuses a second key for a resource.
	OneKeyEach bool
	// ShowPrivateKeys puts the private key into every answer that describes a key.
	ShowPrivateKeys bool
	// NewestFirst turns the order of lists round.
	NewestFirst bool
	// PKCS8 gives private keys in PKCS#8.
	PKCS8 bool
	// BucketField is the name of the field that binds a key to a bucket, in answers; "" means "bucket".
	BucketField string
	// ForgetsAtOnce has edges refuse a key as soon as it is deleted, which is the worst they may do, instead
	// of after the propagation time.
	ForgetsAtOnce bool
}

// maxDomains is how many domains an account may have.
const maxDomains = 20

// maxKeys bounds the keys of an account. The vendor names no number; this one keeps a runaway test small.
const maxKeys = 1000

// tokenLife is how long an access token counts.
const tokenLife = 24 * time.Hour

func (c Config) check() error {
	if c.APIKey.Len() == 0 || c.Now == nil {
		return errors.New("an API key and a clock are needed")
	}
	if c.Propagation < 0 {
		return fmt.Errorf("a propagation time of %v: want 0 or more", c.Propagation)
	}
	for _, id := range c.Streams {
		if !isUUID(id) {
			return fmt.Errorf("live stream %q: want a lower-case UUID", id)
		}
	}
	for _, name := range c.Buckets {
		if !bucketName().MatchString(name) {
			return fmt.Errorf("bucket %q: want 3 to 63 lower-case letters, digits, dots and dashes", name)
		}
	}
	return nil
}

// clock is the time by the API's clock.
func (c Config) clock() time.Time {
	if c.Plan != nil {
		return c.Plan.Now()
	}
	return c.Now()
}

func isUUID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}

func bucketName() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`) }
