package config

import (
	_ "embed"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/tokens"
)

// source is this file: the comments of the fields below are the descriptions in the JSON schema and
// in the help of the flags.
//
//go:embed config.go
var source string

// Config is the whole configuration. Tags state what the comments of the fields leave out:
//
//	koanf      the key within its section
//	flag       "true": also a command line flag
//	min, max   bounds, both included; of the length in bytes for text
//	step       durations are a multiple of it
//	warn       durations under it are legal but earn a warning
//	enum       the values allowed, separated by commas
//	pattern    what the text has to match
//	form       "loopback" or "endpoint": a host and a port
//	required   "true": may not be left out of a list's element
//	default    what a list's element has when the key is left out
//
// Of fields that are pointers, exactly one in a section is set.
type Config struct {
	// Where the service listens.
	Listen Listen `koanf:"listen"`
	// Where keys and playbacks are kept.
	Store Store `koanf:"store"`
	// Where the master keys come from that seal the secrets in the store. Exactly one source is in
	// effect: the variable TOKENSVC_MASTER_KEY, else stdin, else the file. Asking for two is an error.
	MasterKey MasterKey `koanf:"master_key"`
	// C: keys in memory that have not been compared with the store for this long sign nothing.
	SnapshotMaxAge time.Duration `koanf:"snapshot_max_age" min:"1s" max:"10m"`
	// S: how far the clocks of this service and of the edges may differ.
	ClockSkew time.Duration `koanf:"clock_skew" min:"1s" max:"10m"`
	// P: how long a provider takes until all its edges know a new key.
	Propagation time.Duration `koanf:"propagation" min:"0s" max:"24h"`
	// The longest call to a provider.
	MaxCall time.Duration `koanf:"max_call" min:"1s" max:"10m"`
	// How long a retired key keeps its bytes, so that it can be rolled back to.
	RollbackWindow time.Duration `koanf:"rollback_window" min:"1s" max:"8760h" warn:"30s"`
	// The longest life that any token may have, whatever its target allows.
	MaxLifetime time.Duration `koanf:"max_lifetime" min:"1s" max:"24h" step:"1s" warn:"30s"`
	// What the API offers.
	API API `koanf:"api"`
	// The pool for RSA signatures, which cost milliseconds each, and the cache of shared tokens.
	Signing Signing `koanf:"signing"`
	// Bounds of one request.
	Limits Limits `koanf:"limits"`
	// How long a shutdown waits for calls under way.
	ShutdownTimeout time.Duration `koanf:"shutdown_timeout" min:"1s" max:"10m"`
	// The log on stderr.
	Log Log `koanf:"log"`
	// Traces by OTLP.
	Tracing Tracing `koanf:"tracing"`
	// Networks of the proxies in front of this service, as 10.0.0.0/8 or single addresses. Their X-Forwarded-For is
	// believed, and nobody else's.
	TrustedProxies []string `koanf:"trusted_proxies"`
	// What edges and providers may ask about each request; see docs/edges.md.
	Edge Edge `koanf:"edge"`
	// Credentials for provider APIs. They exist only here, never through the API.
	Accounts []Account `koanf:"accounts"`
	// Web hooks that policies of playbacks may ask. docs/webhooks.md is their contract.
	Webhooks []Webhook `koanf:"webhooks"`
	// Targets of the file; the API shows them read-only.
	Targets []Target `koanf:"targets"`
	// Playbacks of the file; the API shows them read-only. A playback may name a target that exists
	// only in the store.
	Playbacks []Playback `koanf:"playbacks"`
}

// Listen says where the service listens.
type Listen struct {
	// Address of the gRPC API, as HOST:PORT on loopback. Port 0 takes a free one.
	GRPC string `koanf:"grpc" flag:"true" form:"loopback"`
	// Address of the HTTP API, as HOST:PORT on loopback. Port 0 takes a free one.
	HTTP string `koanf:"http" flag:"true" form:"loopback"`
}

// Store says where keys and playbacks are kept.
type Store struct {
	// The SQLite file. It is made when it does not exist; its folder is not.
	Path string `koanf:"path" flag:"true" min:"1" max:"4096"`
}

// MasterKey says where the master keys come from.
type MasterKey struct {
	// A file that only its owner can read, with a line ID:BASE64 for each key, the current one first.
	// Empty means the file master.key beside store.path. It is made on the first start, when the store
	// holds no secret yet.
	File string `koanf:"file" flag:"true" max:"4096"`
	// Read the same lines from stdin.
	Stdin bool `koanf:"stdin" flag:"true"`
	// Environment is the value of TOKENSVC_MASTER_KEY, empty when the variable is not set.
	Environment tokens.Secret `koanf:"-"`
}

// API says what the API offers.
type API struct {
	// Serve MintToken, which signs raw parameters without a playback.
	Mint bool `koanf:"mint" flag:"true"`
}

// Signing bounds the work of signing.
type Signing struct {
	// RSA signatures at once. 0 means the number of CPUs.
	Workers int `koanf:"workers" min:"0" max:"1024"`
	// RSA signatures that may wait; more are refused at once. 0 means 256 for each CPU.
	Queue int `koanf:"queue" min:"0" max:"1000000"`
	// The longest wait for an RSA signature when the caller sets no deadline.
	MaxWait time.Duration `koanf:"max_wait" min:"10ms" max:"1m"`
	// Tokens in the cache that equal requests share; one takes about a kilobyte.
	SharedTokens int `koanf:"shared_tokens" min:"1" max:"4194304"`
}

// Limits bounds one request.
type Limits struct {
	// The largest gRPC message or HTTP body, in bytes or with a unit: KiB, MiB.
	MaxBody Bytes `koanf:"max_body" min:"1KiB" max:"64MiB"`
	// The longest time for one request; a shorter deadline of the caller counts.
	RequestTimeout time.Duration `koanf:"request_timeout" min:"100ms" max:"10m"`
}

// Log says what is logged and how.
type Log struct {
	// The lowest level that is logged.
	Level string `koanf:"level" flag:"true" enum:"debug,info,warn,error"`
	// One JSON object on each line, or text for people.
	Format string `koanf:"format" flag:"true" enum:"json,text"`
}

// Tracing says where traces go.
type Tracing struct {
	// The OTLP gRPC collector, as HOST:PORT. Empty switches tracing off.
	OTLPEndpoint string `koanf:"otlp_endpoint" flag:"true" form:"endpoint"`
	// Speak to a collector that is not on loopback without TLS. Loopback is always without.
	Insecure bool `koanf:"insecure" flag:"true"`
	// The share of requests that are traced when the caller has not decided, from 0 to 1.
	SampleRatio float64 `koanf:"sample_ratio" flag:"true" min:"0" max:"1"`
}

// Edge says what edges and providers may ask.
type Edge struct {
	// Where StreamAPI's login call-backs are answered, as /edge/streamapi/ and 16 or more of A-Z, a-z, 0-9, "_" and
	// "-" that nobody can guess: the vendor signs nothing. Empty means nowhere.
	StreamAPIPath string `koanf:"streamapi_path" pattern:"^(/edge/streamapi/[A-Za-z0-9_-]{16,128})?$"`
}

// Account names credentials for one provider's API.
type Account struct {
	// The name by which targets refer to it: 1 to 63 of a-z, 0-9 and "-", beginning with a letter.
	ID string `koanf:"id" required:"true" pattern:"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"`
	// The provider it belongs to.
	Provider string `koanf:"provider" required:"true" enum:"wowza,akamai,qencode,agora"`
	// Wowza: the version of the API, v1.4 to v1.11 or v2.0.
	APIVersion string `koanf:"api_version" pattern:"^(v[0-9]{1,2}\\.[0-9]{1,2})?$"`
	// Wowza: send the API key itself instead of signing with it; meant for tests.
	SendAPIKey bool `koanf:"send_api_key"`
	// Wowza, up to v1.8: a file with the access key. Only its owner may read files with credentials. In place
	// of any of them an environment variable may hold the credential: TOKENSVC_ACCOUNT_, the id in capitals
	// with "_" for "-", and the key in capitals without _FILE, as in TOKENSVC_ACCOUNT_WOWZA_MAIN_ACCESS_KEY.
	AccessKeyFile string `koanf:"access_key_file" max:"4096"`
	// Wowza, up to v1.8, and Qencode: a file with the API key.
	APIKeyFile string `koanf:"api_key_file" max:"4096"`
	// Wowza, from v1.8 on: a file with a JWT of the token management.
	JWTFile string `koanf:"jwt_file" max:"4096"`
	// Agora: the project.
	AppID string `koanf:"app_id" max:"64"`
	// Agora: the customer id, as the console shows it under RESTful API.
	CustomerID string `koanf:"customer_id" max:"256"`
	// Agora: a file with the customer secret.
	CustomerSecretFile string `koanf:"customer_secret_file" max:"4096"`
	// Agora: a file with the secret of the project's origin authentication, whose call-backs are then answered at
	// /edge/agora/ and the account's id.
	CallbackSecretFile string `koanf:"callback_secret_file" max:"4096"`
	// Agora: the domains that streams are pushed to. Call-backs about them are admitted.
	PushHosts []string `koanf:"push_hosts"`
	// The scheme and host of the API instead of the provider's own, for a sandbox. Plain http only on loopback.
	BaseURL string `koanf:"base_url" max:"2048"`
	// Qencode: the same for the live API, which is apart; base_url is that of the CDN API.
	LiveBaseURL string `koanf:"live_base_url" max:"2048"`
	// How long this provider takes until all its edges know a change. 0s means the setting propagation.
	Propagation time.Duration `koanf:"propagation" min:"0s" max:"24h"`
	// Wowza: the edge's session cookie ends with the secret. The provider does not say whether it does; with true, plans
	// of a rotation tell which sessions break.
	CookieBoundToSecret bool `koanf:"cookie_bound_to_secret"`
	// Environment holds the credentials that variables give, by their keys without _file.
	Environment map[string]tokens.Secret `koanf:"-"`
}

// Webhook is a service of yours that says who may watch.
type Webhook struct {
	// The name by which policies refer to it: 1 to 63 of a-z, 0-9 and "-", beginning with a letter.
	ID string `koanf:"id" required:"true" pattern:"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"`
	// Where questions go: https, or http on loopback.
	URL string `koanf:"url" required:"true" max:"2048"`
	// A file with the secret that signs questions, at least 16 bytes, which only its owner may read. In its place a
	// variable may hold the secret: TOKENSVC_WEBHOOK_, the id in capitals with "_" for "-", and _SECRET.
	SecretFile string `koanf:"secret_file" max:"4096"`
	// The longest time for one question.
	Timeout time.Duration `koanf:"timeout" default:"2s" min:"10ms" max:"30s"`
	// What counts while it gives no answer: nobody is let in, or its last answer to the same question does.
	OnError string `koanf:"on_error" default:"deny" enum:"deny,last_known"`
	// How old an answer may be that last_known takes.
	MaxAge time.Duration `koanf:"max_age" min:"0s" max:"24h"`
	// How long an answer is used without asking again. 0s asks every time.
	CacheTTL time.Duration `koanf:"cache_ttl" min:"0s" max:"1h"`
	// Environment is the secret that the variable gives.
	Environment tokens.Secret `koanf:"-"`
}

// Target is what one signing key protects at a provider.
type Target struct {
	// The name by which playbacks refer to it: 1 to 63 of a-z, 0-9 and "-", beginning with a letter.
	ID string `koanf:"id" required:"true" pattern:"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"`
	// Whose edge accepts the tokens.
	Provider string `koanf:"provider" required:"true" enum:"wowza,akamai,qencode,agora"`
	// The token format. Empty means the provider's own.
	Scheme string `koanf:"scheme" enum:",wowza-hdnts,akamai-edgeauth,qencode-jwt,agora-timestamp"`
	// The account that manages the target's keys. Empty when keys are only imported.
	Account string `koanf:"account"`
	// Free text for people.
	Description string `koanf:"description" max:"256"`
	// T: the longest life of any token of the target, rounding included.
	MaxTokenLifetime time.Duration `koanf:"max_token_lifetime" default:"6h" min:"1s" max:"24h" step:"1s" warn:"30s"`
	// Settings of scheme akamai-edgeauth; they mirror the Akamai property.
	EdgeAuth EdgeAuthOptions `koanf:"edge_auth"`
	// Settings of scheme agora-timestamp; they mirror the Agora domain.
	Agora AgoraOptions `koanf:"agora"`
	// The provider's ids of what the key protects: one, or two that form a pair and are used in turn. Wowza:
	// stream target ids; Qencode: stream:ID, domain:ID or bucket:NAME; Agora: domain:NAME.
	Resources []string `koanf:"resources"`
	// When and how the key is rotated.
	Rotation Rotation `koanf:"rotation"`
}

// Rotation says when and how a target's key is rotated.
type Rotation struct {
	// The time from one rotation to the next. 0s means on command only.
	Every time.Duration `koanf:"every" min:"0s" max:"87600h" step:"1s"`
	// How the old key makes room. Empty means what the provider and the number of resources allow.
	Mode string `koanf:"mode" enum:",overlap,cut,pair"`
	// The time of day, in UTC, in which scheduled rotations begin, as 02:00-04:00. Empty means any time.
	Window string `koanf:"window" max:"11"`
	// Nobody else makes keys for the target: keys that were made and lost are revoked without asking.
	SoleOwner bool `koanf:"sole_owner"`
	// Fetched with a token to see whether the edges know a key. Empty means to wait instead.
	ProbeURL string `koanf:"probe_url" max:"2048"`
	// The answer to a secret that somebody else has set. Empty means alert.
	OnDrift string `koanf:"on_drift" enum:",alert,adopt,reassert"`
	// Sign as soon as the provider's API has the secret, not its edges: some refused tokens instead of a
	// pause (mode cut).
	OpenOnApply bool `koanf:"open_on_apply"`
}

// EdgeAuthOptions mirror the settings of the Akamai property.
type EdgeAuthOptions struct {
	// The name of the token's parameter. Empty means hdnts.
	TokenName string `koanf:"token_name" pattern:"^([A-Za-z_][A-Za-z0-9_-]{0,31})?$"`
	// The hash. Empty means sha256.
	Algorithm string `koanf:"algorithm" enum:",sha256,sha1,md5"`
	// The property's "escape token input".
	EscapeEarly bool `koanf:"escape_early"`
}

// AgoraOptions mirror the settings of the Agora domain.
type AgoraOptions struct {
	// All 32 hex digits of the hash, or the middle 16. Empty means md5.
	Form string `koanf:"form" enum:",md5,mid16"`
}

// Playback is something a viewer plays.
type Playback struct {
	// The caller's name for it: 1 to 128 of A-Z, a-z, 0-9, "_" and "-", beginning with a letter or digit.
	ID string `koanf:"id" required:"true" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"`
	// The target whose key signs.
	Target string `koanf:"target" required:"true" pattern:"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"`
	// The playback URL without a token.
	URL string `koanf:"url" required:"true" max:"2048"`
	// Free text for people.
	Description string `koanf:"description" max:"256"`
	// Where the playback is when its target's key stands in the second slot of a pair.
	Alternate Alternate `koanf:"alternate"`
	// Binding for scheme wowza-hdnts.
	Hdnts *HdntsBinding `koanf:"hdnts"`
	// Binding for scheme akamai-edgeauth.
	EdgeAuth *EdgeAuthBinding `koanf:"edge_auth"`
	// Binding for scheme qencode-jwt.
	Qencode *QencodeBinding `koanf:"qencode"`
	// Binding for scheme agora-timestamp: the path of the URL, so there is nothing to set. Write {}.
	Agora *AgoraBinding `koanf:"agora"`
	// The lifetime of a token when the caller asks for none. Together with expiry_granularity it must
	// not exceed the target's max_token_lifetime.
	TTL time.Duration `koanf:"ttl" default:"1h" min:"1s" max:"24h" step:"1s" warn:"30s"`
	// Expiries are rounded up to a multiple of it, so that equal requests share one token. 0s means 1s.
	ExpiryGranularity time.Duration `koanf:"expiry_granularity" min:"0s" max:"24h" step:"1s"`
	// Bind tokens to the viewer's exact address.
	IPBinding string `koanf:"ip_binding" default:"off" enum:"off,exact"`
	// What a viewer needs to be let in: open, grant, {expression: a CEL condition}, {webhook: id}, {all_of: [policies]} or
	// {any_of: [policies]}. Left out, it is open.
	Access *playback.Access `koanf:"access"`
	// How many may watch at once with one viewer's name. Left out, no session is opened unless a grant has limits.
	Sessions Sessions `koanf:"sessions"`
}

// Alternate is a playback's second address, at the second resource of its target.
type Alternate struct {
	// The playback URL without a token. Empty means that there is none.
	URL string `koanf:"url" max:"2048"`
	// The id of the second stream target, for scheme wowza-hdnts.
	StreamID string `koanf:"stream_id" max:"256"`
}

// Sessions bounds one viewer's sessions of a playback.
type Sessions struct {
	// How many of a viewer's sessions of the playback may live at once. 0 means any number, which are counted and
	// can be revoked.
	Max int `koanf:"max" min:"0" max:"1000"`
	// What happens to one too many. Empty means that no session is opened; the other keys need a rule.
	Rule string `koanf:"rule" enum:",deny_new,evict_oldest,allow_same_device"`
	// A session expires when it has neither been refreshed nor beat for this long. 0s means no heartbeats: it expires
	// with its token.
	HeartbeatTimeout time.Duration `koanf:"heartbeat_timeout" min:"0s" max:"1h" step:"1s"`
}

// HdntsBinding is what a Wowza-on-Fastly token is bound to.
type HdntsBinding struct {
	// The id of the stream target.
	StreamID string `koanf:"stream_id" required:"true" max:"256"`
	// The id of the VOD stream, where the playback is a recording.
	VODStreamID string `koanf:"vod_stream_id" max:"256"`
}

// EdgeAuthBinding is what an Akamai token is bound to.
type EdgeAuthBinding struct {
	// Paths that the token opens; "*" stands for any text.
	ACL []string `koanf:"acl"`
	// The one path that the token opens; it is hashed but not written into the token.
	URLPath string `koanf:"url_path" max:"2048"`
	// Data for the edge that the token carries.
	Payload string `koanf:"payload" max:"1024"`
}

// QencodeBinding is what a Qencode JWT is bound to.
type QencodeBinding struct {
	// The playback id or object key.
	URI string `koanf:"uri" max:"2048"`
	// Open everything that the key protects, instead of one uri.
	WholeBucket bool `koanf:"whole_bucket"`
	// The claim that carries the viewer. Empty means none: then viewers share tokens.
	ViewerClaim string `koanf:"viewer_claim" max:"64"`
	// Further claims and their values.
	Claims map[string]string `koanf:"claims"`
}

// AgoraBinding has nothing to set: an Agora token is bound to the path of the URL.
type AgoraBinding struct{}

// Defaults returns the configuration that an empty file gives.
func Defaults() Config {
	return Config{
		Listen:          Listen{GRPC: "127.0.0.1:9090", HTTP: "127.0.0.1:8080"},
		Store:           Store{Path: "tokensvc.db"},
		SnapshotMaxAge:  30 * time.Second,
		ClockSkew:       15 * time.Second,
		Propagation:     time.Minute,
		MaxCall:         30 * time.Second,
		RollbackWindow:  24 * time.Hour,
		MaxLifetime:     24 * time.Hour,
		Signing:         Signing{MaxWait: 2 * time.Second, SharedTokens: 16384},
		Limits:          Limits{MaxBody: 4 * MiB, RequestTimeout: 15 * time.Second},
		ShutdownTimeout: 30 * time.Second,
		Log:             Log{Level: "info", Format: "json"},
		Tracing:         Tracing{SampleRatio: 1},
	}
}

// Resolve returns s with zeros replaced by what they mean on a machine of the given number of CPUs.
func (s Signing) Resolve(cpus int) Signing {
	if s.Workers == 0 {
		s.Workers = cpus
	}
	if s.Queue == 0 {
		s.Queue = 256 * cpus
	}
	return s
}
