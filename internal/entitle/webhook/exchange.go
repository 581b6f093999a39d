package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/tokens"
)

// Headers of a question.
const (
	// HeaderTimestamp is when it was asked, in seconds since 1970.
	HeaderTimestamp = "Tokensvc-Timestamp"
	// HeaderSignature is "v1=" and the HMAC-SHA256 of the timestamp, a dot and the body, in hex.
	HeaderSignature = "Tokensvc-Signature"
)

// maxReason bounds the reason of an answer, in bytes.
const maxReason = 256

// ask is the body of a question. ID and Time are left out of what makes questions equal.
type ask struct {
	ID         string            `json:"id,omitempty"`
	Time       string            `json:"time,omitempty"`
	Hook       string            `json:"webhook"`
	PlaybackID string            `json:"playback_id"`
	TargetID   string            `json:"target_id"`
	Viewer     string            `json:"viewer"`
	ClientIP   string            `json:"client_ip,omitempty"`
	Device     string            `json:"device,omitempty"`
	Country    string            `json:"country,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Sign returns the value of HeaderSignature for a body sent at a time.
func Sign(secret tokens.Secret, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, secret.Reveal())
	mac.Write([]byte(strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// send asks once. Whatever is not a sound answer is an error.
func (h *Hooks) send(ctx context.Context, hook *hook, asked ask, at time.Time) (answer entitle.HookAnswer, err error) {
	body, err := json.Marshal(asked)
	if err != nil {
		return answer, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "tokensvc")
	r.Header.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	r.Header.Set(HeaderSignature, Sign(hook.Secret, at, body))
	response, err := h.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return answer, fmt.Errorf("it did not answer within %s", hook.Timeout)
		}
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err // its text would hold the URL, which may hold what nobody should read
		}
		return answer, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("it answered with status %d; want 200", response.StatusCode)
	}
	if media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return answer, fmt.Errorf("it answered with content type %q; want application/json", tokens.Clip(response.Header.Get("Content-Type")))
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return answer, fmt.Errorf("it did not finish its answer within %s", hook.Timeout)
	case err != nil:
		return answer, fmt.Errorf("its answer broke off: %w", err)
	case len(text) > maxAnswer:
		return answer, fmt.Errorf("its answer has more than %d bytes", maxAnswer)
	}
	return readAnswer(text, at)
}

// readAnswer reads an answer strictly: one object, no key twice, none unknown, "allowed" a boolean that is there.
// An answer that holds until a time that has passed is none.
func readAnswer(text []byte, now time.Time) (entitle.HookAnswer, error) {
	members, err := object(text)
	if err != nil {
		return entitle.HookAnswer{}, fmt.Errorf("its answer is not what docs/webhooks.md asks for: %w", err)
	}
	var (
		answer  entitle.HookAnswer
		decided bool
		reason  string
	)
	for key, value := range members {
		switch key {
		case "allowed":
			answer.Allowed, decided = value.(bool)
			if !decided {
				return entitle.HookAnswer{}, errors.New("its answer holds an allowed that is neither true nor false")
			}
		case "until":
			until, ok := value.(string)
			if answer.Until, err = time.Parse(time.RFC3339, until); !ok || err != nil {
				return entitle.HookAnswer{}, errors.New("its answer holds an until that is not a time as RFC 3339 writes it")
			}
			if !now.Before(answer.Until) {
				return entitle.HookAnswer{}, fmt.Errorf("its answer held until %s, which has passed", answer.Until.UTC().Format(time.RFC3339))
			}
		case "reason":
			var ok bool
			if reason, ok = value.(string); !ok || !printable(reason) {
				return entitle.HookAnswer{}, fmt.Errorf("its answer holds a reason that is not a text of at most %d bytes without control characters", maxReason)
			}
		default:
			return entitle.HookAnswer{}, fmt.Errorf("its answer holds an unknown key %q", tokens.Clip(key))
		}
	}
	if !decided {
		return entitle.HookAnswer{}, errors.New("its answer lacks allowed")
	}
	answer.Detail = "says no"
	if answer.Allowed {
		answer.Detail = "says yes"
	}
	if reason != "" {
		answer.Detail += ": " + reason
	}
	return answer, nil
}

func printable(text string) bool {
	if len(text) > maxReason || !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}

// object reads one flat JSON object. Unlike encoding/json's structs it minds the case of keys, and refuses a
// key that is there twice.
func object(text []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	start, err := decoder.Token()
	if err != nil || start != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	members := make(map[string]any)
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, errors.New("not JSON")
		}
		value, err := decoder.Token()
		if err != nil {
			return nil, errors.New("not JSON")
		}
		name, _ := key.(string) // keys of objects are texts
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("the key %q is there twice", tokens.Clip(name))
		}
		if _, nested := value.(json.Delim); nested {
			return nil, fmt.Errorf("the key %q holds more than one value", tokens.Clip(name))
		}
		members[name] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errors.New("not JSON")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return members, nil
}
