package wowza

import (
	"context"
	"net/http"

	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

// Lifecycle is where a version stands: "current", "supported", "deprecated" or "discontinued". Wowza may add
// others.
type Lifecycle string

// Lifecycles in which a version is safe to use. The answers of a deprecated one may be those of another.
const (
	Current   Lifecycle = "current"
	Supported Lifecycle = "supported"
)

// Versions asks which versions of the API there are. Beta versions are not listed.
func (c *Client) Versions(ctx context.Context) (map[Version]Lifecycle, error) {
	resp, err := c.send(ctx, call{name: "get versions", method: http.MethodGet, path: "/versions", repeat: rest.ReadOnly})
	if err != nil {
		return nil, err
	}
	var body map[string]struct {
		Status Lifecycle `json:"status"`
	}
	if err := rest.Decode(resp, &body); err != nil {
		return nil, err
	}
	versions := make(map[Version]Lifecycle, len(body))
	for number, v := range body {
		versions[Version("v"+number)] = v.Status
	}
	return versions, nil
}

// CheckVersion asks whether the version of this client is still current or supported; usable is false where it
// is neither, or not listed.
func (c *Client) CheckVersion(ctx context.Context) (at Lifecycle, usable bool, err error) {
	versions, err := c.Versions(ctx)
	if err != nil {
		return "", false, err
	}
	at = versions[c.cfg.Version]
	return at, at == Current || at == Supported, nil
}
