package killtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/standins"
)

// Times of every world, as short as the service takes them, so that a rotation is a matter of seconds. The longest
// call is longer than any takes on a busy machine: what it is too short for would break a promise that a provider
// makes, not one of ours.
const (
	lifetime    = 3 * time.Second
	snapshotAge = 2 * time.Second
	clockSkew   = time.Second
	propagation = time.Second
	maxCall     = 2 * time.Second
)

// writeSettings writes the config file, whose JSON is YAML too, and returns its path and the variables with the
// credentials.
func writeSettings(dir, origin string, e *exhibit, c standins.Credentials, soleOwner bool) (path string, environ []string, err error) {
	at := map[string]any{"id": account, "provider": e.provider}
	variable := func(name string, value []byte) {
		environ = append(environ, "TOKENSVC_ACCOUNT_SANDBOX_"+name+"="+string(value))
	}
	switch e.provider {
	case standins.Qencode:
		at["base_url"], at["live_base_url"] = c.QencodeURL, c.QencodeURL
		variable("API_KEY", c.QencodeAPIKey.Reveal())
	case standins.Agora:
		at["base_url"], at["app_id"], at["customer_id"] = c.AgoraURL, c.AgoraAppID, c.AgoraCustomerID
		variable("CUSTOMER_SECRET", c.AgoraCustomerSecret.Reveal())
	default:
		at["base_url"], at["api_version"] = c.WowzaURL, "v1.8"
		variable("ACCESS_KEY", c.WowzaAccessKey.Reveal())
		variable("API_KEY", c.WowzaAPIKey.Reveal())
	}
	settings := map[string]any{
		"listen":           map[string]any{"grpc": "127.0.0.1:0", "http": "127.0.0.1:0"},
		"store":            map[string]any{"path": filepath.Join(dir, storeFile)},
		"snapshot_max_age": snapshotAge.String(), "clock_skew": clockSkew.String(), "propagation": propagation.String(), "max_call": maxCall.String(),
		"accounts": []any{at},
		"targets": []any{map[string]any{
			"id": Target, "provider": e.provider, "account": account, "resources": e.resources, "max_token_lifetime": lifetime.String(),
			"rotation": map[string]any{"sole_owner": soleOwner},
		}},
		"playbacks": []any{e.playback(origin)},
	}
	text, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "tokensvc.yaml")
	return path, environ, os.WriteFile(path, text, 0o600)
}
