package wowza

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/tokens"
)

// StateArchived is the State of a target that can be read and no longer changed.
const StateArchived = "archived"

const (
	maxName  = 255
	maxPages = 1000
	rescans  = 3
)

// Settings are what can be set on a target. nil and empty fields are left as they are.
type Settings struct {
	// Name need not be unique; at most 255 characters.
	Name             string `json:"name,omitempty"`
	TokenAuthEnabled *bool  `json:"token_auth_enabled,omitempty"`
	// PlaylistOnly checks tokens on the first playlist alone.
	PlaylistOnly        *bool    `json:"token_auth_playlist_only,omitempty"`
	ForceSSL            *bool    `json:"force_ssl_playback,omitempty"`
	GeoblockEnabled     *bool    `json:"geoblock_enabled,omitempty"`
	GeoblockByLocation  *string  `json:"geoblock_by_location,omitempty"`
	GeoblockCountries   *string  `json:"geoblock_country_codes,omitempty"`
	GeoblockIPOverride  *string  `json:"geoblock_ip_override,omitempty"`
	GeoblockIPAddresses *string  `json:"geoblock_ip_addresses,omitempty"`
	RefererEnabled      *bool    `json:"referer_enabled,omitempty"`
	RefererAllowEmpty   *bool    `json:"referer_allow_empty,omitempty"`
	RefererPolicy       *string  `json:"referer_policy,omitempty"`
	RefererDomains      *string  `json:"referer_domains,omitempty"`
	DeliveryProtocols   []string `json:"delivery_protocols,omitempty"`
	// Secret is 2 to 32 hex digits, an even number of them. Their ASCII text is the key, so case counts.
	Secret tokens.Secret `json:"-"`
}

// Target is a stream target on Wowza's CDN.
type Target struct {
	ID string
	// State is "activated" or StateArchived; Wowza may have others.
	State string
	// PlaybackURL is the HLS playlist, and StreamID the part of it that tokens sign. Both may be empty.
	PlaybackURL, StreamID string
	CreatedAt, UpdatedAt  time.Time
	Settings
}

type settingsBody struct {
	Settings

	Secret string `json:"token_auth_shared_secret,omitempty"`
}

type targetBody struct {
	settingsBody

	ID           string          `json:"id"`
	State        string          `json:"state"`
	PlaybackURL  string          `json:"playback_url"`
	PlaybackURLs json.RawMessage `json:"playback_urls"`
	CreatedAt    string          `json:"created_at"`
	UpdatedAt    string          `json:"updated_at"`
}

func (b targetBody) target() Target {
	t := Target{
		ID: b.ID, State: b.State, PlaybackURL: playbackURL(b.PlaybackURL, b.PlaybackURLs),
		CreatedAt: parseTime(b.CreatedAt), UpdatedAt: parseTime(b.UpdatedAt), Settings: b.Settings,
	}
	t.Secret = tokens.NewSecret([]byte(b.Secret))
	if id, err := StreamID(t.PlaybackURL); err == nil {
		t.StreamID = id
	}
	return t
}

// parseTime reads a time of the API; one that cannot be read is zero, as nothing depends on it.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (c *Client) targetsPath() string { return "/stream_targets/" + c.cfg.Version.kind() }

// root wraps settings in the root object that the version wants.
func (c *Client) root(s Settings) map[string]settingsBody {
	return map[string]settingsBody{
		"stream_target_" + c.cfg.Version.kind(): {Settings: s, Secret: string(s.Secret.Reveal())},
	}
}

// decodeTarget reads a target under the root object of either generation.
func decodeTarget(resp rest.Response) (Target, error) {
	var body struct {
		Fastly *targetBody `json:"stream_target_fastly"`
		CDN    *targetBody `json:"stream_target_wowza_cdn"`
	}
	if err := rest.Decode(resp, &body); err != nil {
		return Target{}, err
	}
	found := body.CDN
	if found == nil {
		found = body.Fastly
	}
	if found == nil || !isID(found.ID) {
		return Target{}, resp.Unreadable("the answer holds no stream target")
	}
	return found.target(), nil
}

func (c *Client) checkSettings(name string, s Settings) error {
	if len([]rune(s.Name)) > maxName {
		return c.refuse(name, "a name has at most 255 characters; nothing was sent")
	}
	if s.Secret.Len() > 0 && !isTokenSecret(s.Secret) {
		return c.refuse(name, "a secret is 2 to 32 hex digits, an even number of them; nothing was sent")
	}
	return nil
}

// Create makes a target named LABEL [MARKER]. It is never repeated, as Wowza would make another one: after
// provider.ErrAmbiguous look for the marker with Marked, which has to be unique and of 8 to 64 letters, digits
// and dashes.
func (c *Client) Create(ctx context.Context, label, marker string, s Settings) (Target, error) {
	const name = "create target"
	if !isMarker(marker) {
		return Target{}, c.refuse(name, "a marker is made of 8 to 64 letters, digits and dashes; nothing was sent")
	}
	s.Name = strings.TrimSpace(label + " [" + marker + "]")
	if err := c.checkSettings(name, s); err != nil {
		return Target{}, err
	}
	resp, err := c.do(ctx, call{name: name, method: http.MethodPost, path: c.targetsPath(), body: c.root(s), repeat: rest.Once})
	if err != nil {
		return Target{}, err
	}
	return decodeTarget(resp)
}

// Marked returns the targets that were made with a marker, by this client or an earlier one.
func (c *Client) Marked(ctx context.Context, marker string) ([]provider.Listed, error) {
	if !isMarker(marker) {
		return nil, c.refuse("list targets", "a marker is made of 8 to 64 letters, digits and dashes; nothing was sent")
	}
	all, err := c.Targets(ctx)
	if err != nil {
		return nil, err
	}
	var found []provider.Listed
	for _, t := range all {
		if strings.HasSuffix(t.Name, "["+marker+"]") {
			found = append(found, t)
		}
	}
	return found, nil
}

func isMarker(s string) bool {
	return len(s) >= 8 && isID(strings.ReplaceAll(s, "-", "0"))
}

// Target reads one target, its secret included.
func (c *Client) Target(ctx context.Context, id string) (Target, error) {
	const name = "get target"
	if err := c.checkIDs(name, id); err != nil {
		return Target{}, err
	}
	resp, err := c.do(ctx, call{
		name: name, method: http.MethodGet, path: c.targetsPath() + "/" + id, repeat: rest.ReadOnly,
		// Wowza may answer the same GET from a cache for a second. The query is not signed.
		query: url.Values{"_": {strconv.FormatInt(c.cfg.HTTP.Now().UnixNano(), 36)}},
	})
	if err != nil {
		return Target{}, err
	}
	t, err := decodeTarget(resp)
	if err == nil && t.ID != id {
		return Target{}, resp.Unreadable("the answer is about another stream target")
	}
	return t, err
}

// Patch changes what s sets and returns the target as Wowza answers. It may be sent more than once.
func (c *Client) Patch(ctx context.Context, id string, s Settings) (Target, error) {
	const name = "patch target"
	if err := c.checkIDs(name, id); err != nil {
		return Target{}, err
	}
	if err := c.checkSettings(name, s); err != nil {
		return Target{}, err
	}
	resp, err := c.do(ctx, call{
		name: name, method: http.MethodPatch, path: c.targetsPath() + "/" + id, body: c.root(s), repeat: rest.Idempotent,
	})
	if err != nil {
		return Target{}, err
	}
	t, err := decodeTarget(resp)
	if err == nil && t.ID != id {
		return Target{}, resp.Unreadable("the answer is about another stream target")
	}
	return t, err
}

// Delete deletes a target. One that is gone already is a success.
func (c *Client) Delete(ctx context.Context, id string) error {
	const name = "delete target"
	if err := c.checkIDs(name, id); err != nil {
		return err
	}
	return c.remove(ctx, name, c.targetsPath()+"/"+id)
}

func (c *Client) remove(ctx context.Context, name, path string) error {
	resp, err := c.do(ctx, call{name: name, method: http.MethodDelete, path: path, repeat: rest.Idempotent})
	if errors.Is(err, provider.ErrGone) {
		return nil
	}
	if err == nil && resp.Status != http.StatusNoContent {
		return resp.Unreadable("want status 204, without a body")
	}
	return err
}

// Targets lists all targets of the account, oldest first, without their secrets. Their KID is the target's id.
func (c *Client) Targets(ctx context.Context) ([]provider.Listed, error) {
	for range rescans {
		all, settled, err := c.scan(ctx)
		if err != nil || settled {
			return all, err
		}
	}
	return nil, &provider.Error{
		Class: provider.ErrThrottled, Provider: providerName, Call: "list targets",
		Detail: "targets were made or deleted each time while the list was read; try again",
	}
}

// scan reads the list page by page. settled is false if it changed meanwhile: pages go by index, so that a
// deletion moves a target to a page that was read already.
func (c *Client) scan(ctx context.Context) (all []provider.Listed, settled bool, err error) {
	total := -1
	for page := 1; page <= maxPages; page++ {
		list, pages, err := c.page(ctx, page)
		if err != nil {
			return nil, false, err
		}
		all = append(all, list...)
		if pages != nil && total >= 0 && pages.TotalRecords != total {
			return nil, false, nil
		}
		isLast := len(list) < c.cfg.PageSize
		if pages != nil {
			total = pages.TotalRecords
			isLast = page >= pages.TotalPages
		}
		if isLast {
			return all, true, nil
		}
	}
	return nil, false, c.refuse("list targets", "the list does not end")
}

type pagination struct {
	TotalRecords int `json:"total_records"`
	TotalPages   int `json:"total_pages"`
}

func (c *Client) page(ctx context.Context, number int) ([]provider.Listed, *pagination, error) {
	resp, err := c.do(ctx, call{
		name: "list targets", method: http.MethodGet, path: c.targetsPath(), repeat: rest.ReadOnly,
		query: url.Values{"page": {strconv.Itoa(number)}, "per_page": {strconv.Itoa(c.cfg.PageSize)}},
	})
	if err != nil {
		return nil, nil, err
	}
	type item struct {
		ID        string `json:"id"`
		Name      string `json:"name"`
		CreatedAt string `json:"created_at"`
	}
	var body struct {
		Fastly     *[]item     `json:"stream_targets_fastly"`
		CDN        *[]item     `json:"stream_targets_wowza_cdn"`
		Pagination *pagination `json:"pagination"`
	}
	if err := rest.Decode(resp, &body); err != nil {
		return nil, nil, err
	}
	items := body.CDN
	if items == nil {
		items = body.Fastly
	}
	if items == nil {
		return nil, nil, resp.Unreadable("the answer holds no list of stream targets")
	}
	list := make([]provider.Listed, 0, len(*items))
	for _, i := range *items {
		list = append(list, provider.Listed{KID: i.ID, Name: i.Name, CreatedAt: parseTime(i.CreatedAt)})
	}
	return list, body.Pagination, nil
}
