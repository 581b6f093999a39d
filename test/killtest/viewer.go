package killtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

const (
	signEvery   = 200 * time.Millisecond
	askAllEvery = 2 // signs
	askTimeout  = 5 * time.Second
)

// viewer signs without pause and asks the edge about every token, at once and until it dies. One goroutine uses it.
type viewer struct {
	world  *World
	client *http.Client
	fault  func(format string, args ...any)

	live           []*tokensvcv1.Credential
	signs, asked   int
	refused        map[string]int // signs, by reason
	seen           map[string]bool
	lastKey        string
	hasCut         bool // cuts may refuse signs
	lastWasRefused bool
}

func newViewer(w *World, fault func(string, ...any)) *viewer {
	return &viewer{
		world: w, fault: fault, refused: map[string]int{}, seen: map[string]bool{}, hasCut: w.exhibit.kind == Setter,
		client: &http.Client{Timeout: askTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// watch signs and asks until ctx ends, and then asks about what lives once more.
func (v *viewer) watch(ctx context.Context) {
	defer v.client.CloseIdleConnections()
	ticker := time.NewTicker(signEvery)
	defer ticker.Stop()
	for turn := 0; ctx.Err() == nil; turn++ {
		v.sign(ctx)
		if turn%askAllEvery == 0 {
			v.askAll(ctx)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	v.askAll(context.WithoutCancel(ctx))
}

func (v *viewer) sign(ctx context.Context) {
	calling, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, err := v.world.Sign(calling)
	if err != nil {
		v.note(ctx, err)
		return
	}
	v.signs++
	v.lastWasRefused = false
	if c.GetKey() != v.lastKey {
		v.lastKey = c.GetKey()
		v.world.o.Log("viewer", v.lastKey+" signs")
	}
	if life := c.GetExpiresAt().AsTime().Sub(c.GetServerTime().AsTime()); life > lifetime || life <= 0 {
		v.fault("a token of %s lives for %s, and none may for more than %s", c.GetKey(), life, lifetime)
	}
	v.live = append(v.live, c)
	if !v.ask(ctx, c) {
		v.live = v.live[:len(v.live)-1]
	}
}

// note judges a refused sign. A service that is down or starved refuses; one that is well does so only for a cut.
func (v *viewer) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	reason := reasonOf(err)
	if errors.Is(err, errDown) {
		reason = "Unavailable"
	}
	v.refused[reason]++
	switch reason {
	case "Unavailable", "Canceled", "DeadlineExceeded", "SNAPSHOT_STALE", "OVERLOADED":
	case "KEY_CUTOVER":
		if !v.hasCut {
			v.fault("a sign was refused for a cut, and there is none")
		}
	default:
		v.fault("a sign was refused with %s: %v", reason, err)
	}
	if !v.lastWasRefused {
		v.lastWasRefused = true
		v.world.o.Log("viewer", "refused: "+reason)
	}
}

// askAll asks about every token that lives.
func (v *viewer) askAll(ctx context.Context) {
	v.live = slices.DeleteFunc(v.live, func(c *tokensvcv1.Credential) bool { return !v.ask(ctx, c) })
}

// ask asks the edge about one token, and reports whether to ask again: not when it has died or was refused.
func (v *viewer) ask(ctx context.Context, c *tokensvcv1.Credential) (again bool) {
	dies := c.GetExpiresAt().AsTime()
	if !time.Now().Before(dies) {
		return false
	}
	status, body, err := v.get(ctx, c.GetUrl())
	switch {
	case ctx.Err() != nil || !time.Now().Before(dies):
		return ctx.Err() != nil
	case err != nil:
		v.fault("the edge does not answer: %v", err)
		return false
	case status != http.StatusOK:
		v.fault("a token of %s that lives for another %s is refused: %d %s", c.GetKey(), time.Until(dies).Round(time.Millisecond), status, strings.TrimSpace(body))
		return false
	}
	v.asked++
	return true
}

func (v *viewer) get(ctx context.Context, url string) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	answer, err := v.client.Do(r)
	if err != nil {
		return 0, "", fmt.Errorf("%w", errors.Unwrap(err)) // the outer one holds the URL, with its token
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, string(text), errors.Join(err, answer.Body.Close())
}
