package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// Calls that a task can make.
const (
	callEmpty = "empty"
	callSign  = "sign"
	callBatch = "batch"
	callEdge  = "edge"
)

// maxTask bounds the text of a task, in bytes.
const maxTask = 4 << 20

// task tells the client what to do for a while.
type task struct {
	// Address is that of gRPC, or of HTTP when HTTP is set.
	Address  string `json:"address"`
	HTTP     bool   `json:"http"`
	Call     string `json:"call"`
	Playback string `json:"playback"`
	// Viewers is how many viewers sign in turn; 0 means one.
	Viewers int `json:"viewers"`
	// Targets are the request targets that edges ask about in turn.
	Targets []string `json:"targets"`
	// Batch is how many signs a batch holds.
	Batch int `json:"batch"`
	// Callers is how many calls are under way at once; each waits for its answer (closed loop).
	Callers int `json:"callers"`
	// Rate, when set, begins so many calls a second whatever becomes of the others (open loop).
	Rate float64 `json:"rate"`
	// Conns is how many connections the callers share.
	Conns int           `json:"conns"`
	For   time.Duration `json:"for"`
}

// caller makes one call.
type caller func(context.Context) error

// loader keeps its connections from task to task, and the number of the last viewer.
type loader struct {
	dialled map[string][]grpc.ClientConnInterface
	closers []io.Closer
	web     *http.Client
	viewers atomic.Int64
}

func (l *loader) close() {
	for _, c := range l.closers {
		_ = c.Close() // the process ends
	}
	if l.web != nil {
		l.web.CloseIdleConnections()
	}
}

// callers returns one caller for each of t.Conns connections.
func (l *loader) callers(t task) ([]caller, error) {
	if t.HTTP {
		return l.webCallers(t), nil
	}
	for len(l.dialled[t.Address]) < t.Conns {
		conn, err := grpc.NewClient(t.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		l.dialled[t.Address] = append(l.dialled[t.Address], conn)
		l.closers = append(l.closers, conn)
	}
	var calls []caller
	for _, conn := range l.dialled[t.Address][:t.Conns] {
		call, err := l.grpcCaller(conn, t)
		if err != nil {
			return nil, err
		}
		calls = append(calls, call)
	}
	return calls, nil
}

func (l *loader) grpcCaller(conn grpc.ClientConnInterface, t task) (caller, error) {
	invoke := func(method string, in proto.Message, answer func() proto.Message) caller {
		return func(ctx context.Context) error { return conn.Invoke(ctx, method, in, answer()) }
	}
	sign := &tokensvcv1.SignPlaybackRequest{Id: t.Playback, Viewer: viewer}
	switch {
	case t.Call == callEmpty:
		return invoke(echoMethod, &emptypb.Empty{}, func() proto.Message { return &emptypb.Empty{} }), nil
	case t.Call == callSign && t.Viewers > 0:
		return func(ctx context.Context) error {
			in := &tokensvcv1.SignPlaybackRequest{Id: t.Playback, Viewer: l.nextViewer(t)}
			return conn.Invoke(ctx, tokensvcv1.PlaybackService_SignPlayback_FullMethodName, in, &tokensvcv1.SignPlaybackResponse{})
		}, nil
	case t.Call == callSign:
		return invoke(tokensvcv1.PlaybackService_SignPlayback_FullMethodName, sign,
			func() proto.Message { return &tokensvcv1.SignPlaybackResponse{} }), nil
	case t.Call == callBatch:
		batch := &tokensvcv1.BatchSignPlaybackRequest{Requests: slices.Repeat([]*tokensvcv1.SignPlaybackRequest{sign}, t.Batch)}
		return invoke(tokensvcv1.PlaybackService_BatchSignPlayback_FullMethodName, batch,
			func() proto.Message { return &tokensvcv1.BatchSignPlaybackResponse{} }), nil
	default:
		return nil, fmt.Errorf("unknown call %q", t.Call)
	}
}

// nextViewer returns the viewer whose turn it is.
func (l *loader) nextViewer(t task) string {
	const stride = 7919 // prime: they come in another order than they bought in
	return viewerName(int(l.viewers.Add(1)) * stride % t.Viewers)
}

// viewerName returns the name of the n-th viewer; viewers that follow each other stand apart in an index.
func viewerName(n int) string {
	const odd = 2654435761                           // so that no two of 2^32 are the same
	return fmt.Sprintf("viewer-%08x", uint32(n*odd)) //nolint:gosec // the rest is to be cut off
}

func (l *loader) webCallers(t task) []caller {
	if l.web == nil {
		l.web = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}}
	}
	if t.Call == callEdge {
		return []caller{l.edgeCaller(t)}
	}
	path, body, header := echoPath, func() string { return "{}" }, http.Header{"Content-Type": {"application/json"}}
	switch {
	case t.Call == callSign && t.Viewers > 0:
		path, body = signPath(t), func() string { return signBody(l.nextViewer(t)) }
	case t.Call == callSign:
		path, body = signPath(t), func() string { return signBody(viewer) }
	}
	return []caller{func(ctx context.Context) error {
		return l.send(ctx, http.MethodPost, "http://"+t.Address+path, body(), header)
	}}
}

func signPath(t task) string { return "/v1/playbacks/" + t.Playback + ":sign" }

func signBody(viewer string) string { return `{"viewer":"` + viewer + `"}` }

// edgeCaller asks as an nginx would that has a viewer's request at hand; without targets, the empty handler.
func (l *loader) edgeCaller(t task) caller {
	path, targets := edgePath, t.Targets
	if len(targets) == 0 {
		path, targets = emptyPath, []string{"/"}
	}
	headers := make([]http.Header, len(targets))
	for i, target := range targets {
		headers[i] = http.Header{"X-Original-Uri": {target}, "X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"https"}}
	}
	var next atomic.Int64
	return func(ctx context.Context) error {
		return l.send(ctx, http.MethodGet, "http://"+t.Address+path, "", headers[int(next.Add(1))%len(headers)])
	}
}

func (l *loader) send(ctx context.Context, method, url, body string, header http.Header) error {
	var sent io.Reader = http.NoBody
	if body != "" {
		sent = bytes.NewReader([]byte(body))
	}
	r, err := http.NewRequestWithContext(ctx, method, url, sent)
	if err != nil {
		return err
	}
	r.Header = header
	answer, err := l.web.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(answer.Status))
	}
	return errors.Join(err, answer.Body.Close())
}
