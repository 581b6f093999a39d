//go:build e2e

package e2e

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/sandbox/edge"
	"github.com/tokensvc/tokensvc/internal/sandbox/standins"
	"github.com/tokensvc/tokensvc/test/recipe"
	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/agora"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/wowza"
)

// What stands at the vendors of a recipe, by the names that docs/recipes/README.md gives its variables.
const (
	recipeWowzaTarget   = "aBcDeFgH"
	recipeWowzaOld      = "oLdTaRgE"
	recipeQencodeStream = "5b1f0a52-6a53-4b8e-9d53-1f3f7a3b8f10"
	recipeAgoraDomain   = "play.example.com"
	recipeAgoraSecond   = "play2.example.com"
)

// TestRecipes runs docs/recipes/*.md, each with stand-ins, edges and a folder of its own. With RECIPES_UPDATE set
// it writes what is printed into them.
func TestRecipes(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "docs", "recipes", "*.md"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recipes: %v", err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		t.Run(strings.TrimSuffix(name, ".md"), func(t *testing.T) {
			t.Parallel()
			runRecipe(t, "docs/recipes/"+name)
		})
	}
}

func runRecipe(t *testing.T, path string) {
	t.Helper()
	document := readDocument(t, path)
	dir := folder(t)
	grpc, address, edgeAddress := freePort(t), freePort(t), freePort(t)
	own := strings.NewReplacer("127.0.0.1:9090", grpc, "127.0.0.1:8080", address, "127.0.0.1:8088", edgeAddress,
		"tokensvc dev", "tokensvc dev --grpc "+grpc+" --http "+address+" --edge "+edgeAddress)
	update := os.Getenv("RECIPES_UPDATE") != ""
	faults, err := recipe.Run(t.Context(), document, recipe.Options{
		Dir: dir, Env: slices.Concat(documentEnv(dir), recipeVendors(t), []string{
			"TOKENSVC_SERVER=" + grpc, "TOKENSVC_LISTEN_GRPC=" + grpc, "TOKENSVC_LISTEN_HTTP=" + address,
			// Nobody wants to wait for a test as long as for a vendor's edges.
			"TOKENSVC_SNAPSHOT_MAX_AGE=1s", "TOKENSVC_CLOCK_SKEW=1s", "TOKENSVC_PROPAGATION=1s", "TOKENSVC_MAX_CALL=5s",
			"TOKEN_LIFE=8s",
		}),
		Instead: own.Replace, Ready: awaitService(address), Update: update,
	})
	if err != nil {
		t.Error(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
	if !update {
		return
	}
	if err := os.WriteFile(filepath.Join("..", "..", filepath.FromSlash(path)), []byte(document.Text()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// recipeVendors starts stand-ins of the vendors, with edges, and returns what a recipe has to know of them.
func recipeVendors(t *testing.T) []string {
	t.Helper()
	const propagation = 500 * time.Millisecond
	at, err := standins.Start(t.Context(), standins.Config{
		Now: time.Now, Propagation: propagation, PlaybackBase: "https://wowza.example", Streams: []string{recipeQencodeStream},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := at.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, st := range []standins.Standing{
		{Provider: standins.Wowza, Resource: recipeWowzaTarget, StreamID: "NUtjdHdsc3g4Z21L", Name: "stage"},
		{Provider: standins.Wowza, Resource: recipeWowzaOld, StreamID: "b2xkZXItc3RyZWFt", Name: "older", Secret: tokens.NewSecret([]byte(freshSecret()))},
		{Provider: standins.Agora, Resource: recipeAgoraDomain},
		{Provider: standins.Agora, Resource: recipeAgoraSecond},
	} {
		if err := at.Put(st); err != nil {
			t.Fatal(err)
		}
	}
	keys := func(provider, resource string) func(string) []tokens.Key {
		return func(string) []tokens.Key { return at.Keys(provider, resource) }
	}
	wowzaEdge := serveEdge(t, staticEdge(t, keys(standins.Wowza, recipeWowzaTarget), edge.Stream{
		Scheme: wowza.Name, Target: recipeWowzaTarget, Playlist: "/1/NUtjdHdsc3g4Z21L/stage/hls/live/playlist.m3u8", Live: true,
	}))
	agoraEdge := func(domain string) string {
		return serveEdge(t, staticEdge(t, keys(standins.Agora, domain), edge.Stream{
			Scheme: agora.Name, Target: domain, Playlist: "/live/match/playlist.m3u8", Live: true,
		}))
	}
	c := at.Credentials()
	return []string{
		"WOWZA_API=" + c.WowzaURL, "WOWZA_JWT=" + string(c.WowzaJWT.Reveal()), "WOWZA_TARGET=" + recipeWowzaTarget, "WOWZA_OLD_TARGET=" + recipeWowzaOld,
		"WOWZA_PLAYBACK=" + wowzaEdge + "/1/NUtjdHdsc3g4Z21L/stage/hls/live/playlist.m3u8", "WOWZA_STREAM_ID=NUtjdHdsc3g4Z21L",
		"QENCODE_API=" + c.QencodeURL, "QENCODE_API_KEY=" + string(c.QencodeAPIKey.Reveal()), "QENCODE_STREAM=" + recipeQencodeStream,
		"QENCODE_PLAYBACK=" + serveEdge(t, &playbackIDs{at: at}),
		"AGORA_API=" + c.AgoraURL, "AGORA_APP_ID=" + c.AgoraAppID, "AGORA_CUSTOMER_ID=" + c.AgoraCustomerID,
		"AGORA_CUSTOMER_SECRET=" + string(c.AgoraCustomerSecret.Reveal()), "AGORA_DOMAIN=" + recipeAgoraDomain, "AGORA_SECOND_DOMAIN=" + recipeAgoraSecond,
		"AGORA_PLAYBACK=" + agoraEdge(recipeAgoraDomain) + "/live/match/playlist.m3u8",
		"AGORA_SECOND_PLAYBACK=" + agoraEdge(recipeAgoraSecond) + "/live/match/playlist.m3u8",
	}
}

func staticEdge(t *testing.T, keys func(string) []tokens.Key, s edge.Stream) http.Handler {
	t.Helper()
	e, err := edge.New(edge.Config{Keys: keys, Now: time.Now, Streams: []edge.Stream{s}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// serveEdge serves a handler on a port of its own and returns its origin.
func serveEdge(t *testing.T, h http.Handler) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := edge.Server(h)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-done); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// playbackIDs is an edge of Qencode: it plays the live stream under each playback id that it has by then.
type playbackIDs struct {
	at *standins.Standins

	mu    sync.Mutex
	edges map[string]http.Handler
}

// ServeHTTP implements http.Handler.
func (p *playbackIDs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	h, err := p.of(strings.TrimSuffix(id, ".m3u8"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	h.ServeHTTP(w, r)
}

func (p *playbackIDs) of(id string) (http.Handler, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.edges[id]; h != nil {
		return h, nil
	}
	if !slices.Contains(p.at.Qencode.PlaybackIDs(recipeQencodeStream), id) {
		return nil, errors.New("no stream is played under this id")
	}
	h, err := edge.New(edge.Config{
		Keys: func(string) []tokens.Key { return p.at.Keys(standins.Qencode, "stream:"+recipeQencodeStream) }, Now: time.Now,
		Streams: []edge.Stream{{Scheme: qencode.Name, Target: "stream", Playlist: "/" + id + ".m3u8", PlaybackID: id, Live: true}},
	})
	if err != nil {
		return nil, err
	}
	if p.edges == nil {
		p.edges = make(map[string]http.Handler)
	}
	p.edges[id] = h
	return h, nil
}
