package streamapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/tokens"
)

// Host is one session's pair of ids.
type Host struct {
	// PublicID names the session to viewers; decimal.
	PublicID string
	// PrivateID lets its holder broadcast. It is not for viewers.
	PrivateID tokens.Secret
}

// NewSession is what CreateSession may be told. All of it is optional.
type NewSession struct {
	// SiteUserID becomes the public host id; decimal.
	SiteUserID string
	// Username is shown in the player; up to 64 letters and digits.
	Username string
	// FMEKey is a secret of the broadcaster's that ends the address to which an encoder pushes; up to 64
	// letters and digits.
	FMEKey tokens.Secret
}

// CreateSession makes a session. It is always private: only viewers whom the site's call-back admits may
// watch. A failure that is provider.ErrAmbiguous may have left a session; no call ends one.
func (c *Client) CreateSession(ctx context.Context, in NewSession) (Host, error) {
	const name = "create session"
	params := map[string]string{"is_video_private": "true"}
	fme := string(in.FMEKey.Reveal())
	switch {
	case in.SiteUserID != "" && !isPublicID(in.SiteUserID):
		return Host{}, notSent(name, provider.ErrRejected, "want a site user id of 1 to 20 digits")
	case in.Username != "" && !isWord(in.Username), fme != "" && !isWord(fme):
		return Host{}, notSent(name, provider.ErrRejected, "want a user name and an FME key of up to 64 letters and digits")
	}
	for name, value := range map[string]string{"site_user_id": in.SiteUserID, "username": in.Username, "fme_key": fme} {
		if value != "" {
			params[name] = value
		}
	}
	return c.host(ctx, call{name: name, method: http.MethodPost, path: "/session/create", params: params})
}

// PublicID returns both ids of the session that has this private host id.
func (c *Client) PublicID(ctx context.Context, privateID tokens.Secret) (Host, error) {
	const name = "get public id"
	id := string(privateID.Reveal())
	if !isPrivateID(id) {
		return Host{}, notSent(name, provider.ErrRejected, wantPrivateID)
	}
	return c.host(ctx, call{name: name, method: http.MethodGet, path: "/host/id/public", params: map[string]string{"private_hostid": id}})
}

// PrivateID returns both ids of the session that has this public host id.
func (c *Client) PrivateID(ctx context.Context, publicID string) (Host, error) {
	const name = "get private id"
	if !isPublicID(publicID) {
		return Host{}, notSent(name, provider.ErrRejected, wantPublicID)
	}
	return c.host(ctx, call{name: name, method: http.MethodGet, path: "/host/id/private", params: map[string]string{"public_hostid": publicID}})
}

func (c *Client) host(ctx context.Context, r call) (Host, error) {
	a, err := c.do(ctx, r)
	if err != nil {
		return Host{}, err
	}
	f := fields{in: a.root}
	h := Host{PublicID: f.publicID(), PrivateID: f.privateID()}
	if f.fault {
		return Host{}, a.resp.Unreadable("the answer does not hold one public and one private host id")
	}
	return h, nil
}

// Live is a session that is streaming.
type Live struct {
	Host

	Username  string
	StartTime time.Time
	// Duration is as the provider gives it; it does not name the unit.
	Duration  int64
	ChannelID string
	// Counts of people; only LiveSessions has them.
	TotalViewers, MaxViewers, CurrentViewers    int64
	TotalChatters, MaxChatters, CurrentChatters int64
}

// LiveSession returns the session with this public host id; isLive is false when it is not streaming.
func (c *Client) LiveSession(ctx context.Context, publicID string) (live Live, isLive bool, err error) {
	const name = "get live session"
	if !isPublicID(publicID) {
		return Live{}, false, notSent(name, provider.ErrRejected, wantPublicID)
	}
	a, err := c.do(ctx, call{name: name, method: http.MethodGet, path: "/session/live", params: map[string]string{"public_hostid": publicID}})
	if err != nil {
		return Live{}, false, err
	}
	switch state, _ := a.root.value("is_live"); state {
	case "false":
		return Live{}, false, nil
	case "true":
	default:
		return Live{}, false, a.resp.Unreadable("the answer does not say whether the session is live")
	}
	live, ok := readLive(a.root)
	if !ok || live.PublicID != publicID {
		return Live{}, false, a.resp.Unreadable("the answer does not describe the session that was asked for")
	}
	return live, true, nil
}

// LiveSessions returns all sessions that are streaming. The list may be a minute old.
func (c *Client) LiveSessions(ctx context.Context) ([]Live, error) {
	a, err := c.do(ctx, call{name: "list live sessions", method: http.MethodGet, path: "/session/live/list"})
	if err != nil {
		return nil, err
	}
	var list []Live
	for _, e := range a.root.all("session") {
		live, ok := readLive(e)
		if !ok {
			return nil, a.resp.Unreadable("the list holds something that is no session")
		}
		list = append(list, live)
	}
	return list, nil
}

func readLive(e *element) (Live, bool) {
	f := fields{in: e}
	live := Live{
		Host:     Host{PublicID: f.publicID(), PrivateID: f.privateID()},
		Username: f.text("username"), StartTime: f.millis("start_time"), Duration: f.number("duration"), ChannelID: f.text("channel_id"),
		TotalViewers: f.number("total_viewers"), MaxViewers: f.number("max_viewers"), CurrentViewers: f.number("current_viewers"),
		TotalChatters: f.number("total_chatters"), MaxChatters: f.number("max_chatters"), CurrentChatters: f.number("current_chatters"),
	}
	return live, !f.fault
}

// Recording is a recorded session.
type Recording struct {
	ID, PublicID, ChannelID, Filename, URL, EmbedCode string
	// Duration is as the provider gives it; it does not name the unit.
	Duration  int64
	CreatedAt time.Time
	// Size is in bytes.
	Size int64
}

// Recordings returns the recordings of a host, or of all with "", that were made in a span of time. A zero
// time leaves that side open.
func (c *Client) Recordings(ctx context.Context, publicID string, from, to time.Time) ([]Recording, error) {
	const name = "list recordings"
	params := make(map[string]string)
	if publicID != "" {
		if !isPublicID(publicID) {
			return nil, notSent(name, provider.ErrRejected, wantPublicID)
		}
		params["public_hostid"] = publicID
	}
	for name, at := range map[string]time.Time{"start_date": from, "end_date": to} {
		if !at.IsZero() {
			params[name] = strconv.FormatInt(at.UnixMilli(), 10)
		}
	}
	a, err := c.do(ctx, call{name: name, method: http.MethodGet, path: "/video/list", params: params})
	if err != nil {
		return nil, err
	}
	var list []Recording
	for _, e := range a.root.all("video") {
		f := fields{in: e}
		list = append(list, Recording{
			ID: e.id, PublicID: f.publicID(), ChannelID: f.text("channel_id"), Filename: f.text("filename"), URL: f.text("url"),
			EmbedCode: f.text("embed_code"), Duration: f.number("duration"), CreatedAt: f.millis("creation_date"), Size: f.number("size"),
		})
		if f.fault {
			return nil, a.resp.Unreadable("the list holds something that is no recording")
		}
	}
	return list, nil
}

// Theme is a layout of the player.
type Theme struct {
	ID, Name, LayoutPath, SkinPath string
	// Width and Height are in pixels.
	Width, Height int64
}

// Themes returns the layouts of the player.
func (c *Client) Themes(ctx context.Context) ([]Theme, error) {
	a, err := c.do(ctx, call{name: "list themes", method: http.MethodGet, path: "/theme/list"})
	if err != nil {
		return nil, err
	}
	var list []Theme
	for _, e := range a.root.all("theme") {
		f := fields{in: e}
		list = append(list, Theme{
			ID: e.id, Name: f.text("name"), LayoutPath: f.text("layout_path"), SkinPath: f.text("skin_path"),
			Width: f.number("width"), Height: f.number("height"),
		})
		if f.fault {
			return nil, a.resp.Unreadable("the list holds something that is no theme")
		}
	}
	return list, nil
}
