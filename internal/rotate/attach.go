package rotate

import (
	"context"
	"fmt"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/keystore"
)

// Attach attaches every resource of a target to every output of a stream's transcoder. What is attached already
// stays; a second call goes on where one has failed. Errors are those of the provider, or wrap
// keystore.ErrIllegal where there is nothing to attach.
func (e *Executor) Attach(ctx context.Context, target, transcoder string) ([]provider.Attachment, error) {
	r, p, err := e.protectable(ctx, target)
	if err != nil {
		return nil, err
	}
	attacher, ok := p.(provider.Attacher)
	if !ok {
		return nil, fmt.Errorf("%w: resources of provider %s are attached to nothing; only Wowza's stream targets are", keystore.ErrIllegal, r.Target.Provider)
	}
	return attacher.AttachAll(ctx, transcoder, r.Target.Resources)
}
