package killtest

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// errDown: the service has not served yet.
var errDown = errors.New("serve does not serve yet")

// client calls the service, wherever it listens in its present life.
type client struct {
	mu   sync.Mutex
	conn *grpc.ClientConn
}

// api is the service as its clients see it.
type api struct {
	playbacks tokensvcv1.PlaybackServiceClient
	keys      tokensvcv1.KeyServiceClient
	rotations tokensvcv1.RotationServiceClient
}

// dial turns to a new address.
func (c *client) dial(address string) error {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.conn
	c.conn = conn
	if old != nil {
		return old.Close()
	}
	return nil
}

func (c *client) api() (api, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return api{}, errDown
	}
	return api{
		playbacks: tokensvcv1.NewPlaybackServiceClient(c.conn), keys: tokensvcv1.NewKeyServiceClient(c.conn), rotations: tokensvcv1.NewRotationServiceClient(c.conn),
	}, nil
}

func (c *client) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

// reasonOf returns the reason of a refusal, or the code of another failure.
func reasonOf(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return status.Code(err).String()
}

// Sign signs the playback.
func (w *World) Sign(ctx context.Context) (*tokensvcv1.Credential, error) {
	a, err := w.client.api()
	if err != nil {
		return nil, err
	}
	answer, err := a.playbacks.SignPlayback(ctx, &tokensvcv1.SignPlaybackRequest{Id: Playback, Viewer: "alice"})
	return answer.GetCredential(), err
}

// Keys lists the target's keys.
func (w *World) Keys(ctx context.Context) ([]*tokensvcv1.Key, error) {
	a, err := w.client.api()
	if err != nil {
		return nil, err
	}
	answer, err := a.keys.ListKeys(ctx, &tokensvcv1.ListKeysRequest{TargetId: Target})
	return answer.GetKeys(), err
}

// Rotate asks for a rotation.
func (w *World) Rotate(ctx context.Context, immediate bool) error {
	a, err := w.client.api()
	if err != nil {
		return err
	}
	_, err = a.rotations.StartRotation(ctx, &tokensvcv1.StartRotationRequest{TargetId: Target, Immediate: immediate})
	return err
}

// Operation returns the open operation, or nil.
func (w *World) Operation(ctx context.Context) (*tokensvcv1.Operation, error) {
	a, err := w.client.api()
	if err != nil {
		return nil, err
	}
	answer, err := a.rotations.PlanRotation(ctx, &tokensvcv1.PlanRotationRequest{TargetId: Target})
	return answer.GetOperation(), err
}
