package rotatetest_test

import (
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/rotate/rotatetest"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/keystore/keystoretest"
)

func TestStore(t *testing.T) {
	keystoretest.Run(t, keystoretest.Config{
		Open: func(_ *testing.T, now func() time.Time) keystore.Store { return rotatetest.NewStore(now) },
	})
}
