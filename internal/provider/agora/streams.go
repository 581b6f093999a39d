package agora

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/tokens"
)

// OriginAuth is the project's settings of origin authentication: the call-back that Agora makes before a
// stream is pushed or played.
type OriginAuth struct {
	Enabled bool
	// URL is where the call-backs go, https.
	URL string
	// Secret signs the call-backs; see CheckCallback.
	Secret tokens.Secret
}

// GetOriginAuth returns the settings of origin authentication, with their secret.
func (c *Client) GetOriginAuth(ctx context.Context) (OriginAuth, error) {
	var out struct {
		Enabled *bool  `json:"enabled"`
		URL     string `json:"url"`
		Secret  string `json:"secret"`
	}
	resp, err := c.do(ctx, request{
		call: "get origin authentication", method: http.MethodGet, path: "/settings/streamauth/webhook", repeat: rest.ReadOnly,
	}, &out)
	if err != nil {
		return OriginAuth{}, err
	}
	if out.Enabled == nil {
		return OriginAuth{}, resp.Unreadable("the answer does not say whether origin authentication is enabled")
	}
	return OriginAuth{Enabled: *out.Enabled, URL: out.URL, Secret: tokens.NewSecret([]byte(out.Secret))}, nil
}

// SetOriginAuth changes the settings of origin authentication. An empty URL or Secret leaves what is there.
func (c *Client) SetOriginAuth(ctx context.Context, settings OriginAuth) error {
	const call = "set origin authentication"
	in := map[string]any{"enabled": settings.Enabled}
	if settings.URL != "" {
		u, err := url.Parse(settings.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
			return refused(call, "want a call-back URL that starts with https://")
		}
		in["url"] = settings.URL
	}
	if settings.Secret.Len() > 0 {
		in["secret"] = string(settings.Secret.Reveal())
	}
	_, err := c.do(ctx, request{
		call: call, method: http.MethodPatch, path: "/settings/streamauth/webhook", in: in, repeat: rest.Idempotent,
	}, nil)
	return err
}

// CreateEntryPoint adds an entry point, a group of streams. It is sent once: adding one twice is not documented.
func (c *Client) CreateEntryPoint(ctx context.Context, name string) error {
	const call = "create entry point"
	if !isEntryPoint(name) {
		return refused(call, wantEntryPoint)
	}
	_, err := c.do(ctx, request{
		call: call, method: http.MethodPost, path: "/entry_points", query: url.Values{"id": {name}}, repeat: rest.Once,
	}, nil)
	return err
}

// ListEntryPoints returns the names of all entry points of the project.
func (c *Client) ListEntryPoints(ctx context.Context) ([]string, error) {
	var out struct {
		EntryPointList *[]struct {
			Name string `json:"name"`
		} `json:"entryPointList"`
	}
	resp, err := c.do(ctx, request{call: "list entry points", method: http.MethodGet, path: "/entry_points", repeat: rest.ReadOnly}, &out)
	if err != nil {
		return nil, err
	}
	if out.EntryPointList == nil {
		return nil, resp.Unreadable("the answer holds no entryPointList")
	}
	names := make([]string, 0, len(*out.EntryPointList))
	for _, e := range *out.EntryPointList {
		names = append(names, e.Name)
	}
	return names, nil
}

// DeleteEntryPoint deletes an entry point. Agora does not delete the default one, "live".
func (c *Client) DeleteEntryPoint(ctx context.Context, name string) error {
	const call = "delete entry point"
	if !isEntryPoint(name) {
		return refused(call, wantEntryPoint)
	}
	_, err := c.do(ctx, request{call: call, method: http.MethodDelete, path: "/entry_points/" + name, repeat: rest.Idempotent}, nil)
	return err
}

const banned = "/admin/banned_streams"

// Ban stops a stream and refuses it until a moment, or for Agora's seven days when that is zero.
func (c *Client) Ban(ctx context.Context, entryPoint, stream string, until time.Time) error {
	const call = "ban stream"
	path, fault := streamPath(entryPoint, banned, stream)
	if fault != "" {
		return refused(call, fault)
	}
	if until.IsZero() {
		until = c.now().Add(7 * 24 * time.Hour) // named, so that a repeated call is the same call
	}
	_, err := c.do(ctx, request{
		call: call, method: http.MethodPatch, path: path, repeat: rest.Idempotent,
		in: map[string]string{"resumeTime": until.UTC().Format(time.RFC3339)},
	}, nil)
	return err
}

// Unban lifts a ban. A ban that is not there is provider.ErrGone.
func (c *Client) Unban(ctx context.Context, entryPoint, stream string) error {
	const call = "unban stream"
	path, fault := streamPath(entryPoint, banned, stream)
	if fault != "" {
		return refused(call, fault)
	}
	_, err := c.do(ctx, request{call: call, method: http.MethodDelete, path: path, repeat: rest.Idempotent}, nil)
	return err
}

// StreamTime is a stream, with the moment from which it is online or until which it is banned.
type StreamTime struct {
	Name string
	Time time.Time
}

// Bans returns the streams of an entry point that are banned, and until when.
func (c *Client) Bans(ctx context.Context, entryPoint string) ([]StreamTime, error) {
	const call = "list banned streams"
	if !isEntryPoint(entryPoint) {
		return nil, refused(call, wantEntryPoint)
	}
	var out struct {
		List *[]struct {
			Name       string    `json:"name"`
			ResumeTime time.Time `json:"resumeTime"`
		} `json:"bannedStreamList"`
	}
	resp, err := c.do(ctx, request{
		call: call, method: http.MethodGet, path: "/entry_points/" + entryPoint + banned, repeat: rest.ReadOnly,
	}, &out)
	if err != nil {
		return nil, err
	}
	if out.List == nil {
		return nil, resp.Unreadable("the answer holds no bannedStreamList")
	}
	list := make([]StreamTime, 0, len(*out.List))
	for _, s := range *out.List {
		list = append(list, StreamTime{Name: s.Name, Time: s.ResumeTime})
	}
	return list, nil
}

const online = "/reports/online_streams"

// Online returns the streams of an entry point that are online, and since when.
func (c *Client) Online(ctx context.Context, entryPoint string) ([]StreamTime, error) {
	const call = "list online streams"
	if !isEntryPoint(entryPoint) {
		return nil, refused(call, wantEntryPoint)
	}
	var out struct {
		List *[]struct {
			Name      string    `json:"name"`
			StartTime time.Time `json:"startTime"`
		} `json:"streamList"`
	}
	resp, err := c.do(ctx, request{
		call: call, method: http.MethodGet, path: "/entry_points/" + entryPoint + online, repeat: rest.ReadOnly,
	}, &out)
	if err != nil {
		return nil, err
	}
	if out.List == nil {
		return nil, resp.Unreadable("the answer holds no streamList")
	}
	list := make([]StreamTime, 0, len(*out.List))
	for _, s := range *out.List {
		list = append(list, StreamTime{Name: s.Name, Time: s.StartTime})
	}
	return list, nil
}

// OnlineSince returns since when a stream is online. One that is not is provider.ErrGone.
func (c *Client) OnlineSince(ctx context.Context, entryPoint, stream string) (time.Time, error) {
	const call = "get online stream"
	path, fault := streamPath(entryPoint, online, stream)
	if fault != "" {
		return time.Time{}, refused(call, fault)
	}
	var out struct {
		StartTime time.Time `json:"startTime"`
	}
	resp, err := c.do(ctx, request{call: call, method: http.MethodGet, path: path, repeat: rest.ReadOnly}, &out)
	if err != nil {
		return time.Time{}, err
	}
	if out.StartTime.IsZero() {
		return time.Time{}, resp.Unreadable("the answer holds no startTime")
	}
	return out.StartTime, nil
}
