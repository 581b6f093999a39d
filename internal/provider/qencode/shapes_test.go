package qencode_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/qencode"
)

// sent is a request as the vendor sees it.
type sent struct{ Method, Path, Type, Body string }

// shapes are the examples of the vendor's reference: what a call sends, and what it makes of the answer.
func TestShapes(t *testing.T) {
	t.Parallel()
	const (
		domainID = "aeac03d6-beb0-4638-a094-fbc35653f931"
		kid      = "ec25a6a6-b31e-4ac9-af01-711460421c6b"
		tlsID    = "7d819560-6220-4b76-bf9a-3784a64ac7ff"
		status   = `{"status": "ok"}`
		aDomain  = `{"created": "2023-06-07 14:17:25", "id": "` + domainID + `", "type": "live", "domain_name": "live.mydomain.com"}`
		aTLS     = `{"status": "pending", "created": "2023-06-12 15:10:48", "domain_id": "` + domainID + `", "id": "` + tlsID + `"}`
		aKey     = `{"stream_id": "` + streamID + `", "created": "2023-06-12 15:00:40", "name": "My Signing Key", "id": "` + kid + `"}`
		json     = "application/json"
	)
	domain := qencode.Domain{ID: domainID, Name: "live.mydomain.com", Type: "live", CreatedAt: time.Date(2023, 6, 7, 14, 17, 25, 0, time.UTC)}
	subscription := qencode.TLSSubscription{ID: tlsID, DomainID: domainID, Status: "pending", CreatedAt: time.Date(2023, 6, 12, 15, 10, 48, 0, time.UTC)}
	withMessage := subscription
	withMessage.Message = "TLS subscription created."
	key := qencode.SigningKey{
		ID: kid, Resource: stream, Name: "My Signing Key", CreatedAt: time.Date(2023, 6, 12, 15, 0, 40, 0, time.UTC), Other: map[string]string{},
	}
	otherKey := qencode.SigningKey{
		ID: "e52f59d7-e65c-4036-81c6-0163403a1a88", Resource: "domain:" + domainID,
		CreatedAt: time.Date(2023, 6, 7, 14, 17, 25, 0, time.UTC), Other: map[string]string{"colour": "red"},
	}
	unnamed := key
	unnamed.Name = ""
	none := func(err error) (any, error) { return nil, err }

	cases := []struct {
		name   string
		do     func(context.Context, *qencode.Client) (any, error)
		want   sent
		answer string
		result any
	}{
		{"create domain", func(ctx context.Context, c *qencode.Client) (any, error) {
			return c.CreateDomain(ctx, "live.mydomain.com", "live")
		}, sent{"POST", "/v1/domains", json, `{"name":"live.mydomain.com","type":"live"}`}, `{"domain": ` + aDomain + `}`, domain},
		{
			"get domain", func(ctx context.Context, c *qencode.Client) (any, error) { return c.Domain(ctx, domainID) },
			sent{"GET", "/v1/domains/" + domainID, "", ""},
			`{"domain": ` + aDomain + `}`, domain,
		},
		{
			"list domains", func(ctx context.Context, c *qencode.Client) (any, error) { return c.Domains(ctx) },
			sent{"GET", "/v1/domains", "", ""},
			`{"domains": [` + aDomain + `]}`,
			[]qencode.Domain{domain},
		},
		{"list domains by type", func(ctx context.Context, c *qencode.Client) (any, error) {
			return c.DomainsOfType(ctx, qencode.TypeLive)
		}, sent{"GET", "/v1/domains/live", "", ""}, `{"domains": []}`, []qencode.Domain{}},
		{
			"delete domain", func(ctx context.Context, c *qencode.Client) (any, error) { return none(c.DeleteDomain(ctx, domainID)) },
			sent{"DELETE", "/v1/domains/" + domainID, "", ""},
			status, nil,
		},
		{
			"create tls subscription", func(ctx context.Context, c *qencode.Client) (any, error) {
				return c.CreateTLSSubscription(ctx, domainID)
			},
			sent{"POST", "/v1/tls/subscriptions", json, `{"domain_id":"` + domainID + `"}`},
			`{"tls_subscription": ` + aTLS[:len(aTLS)-1] + `, "message": "TLS subscription created."}}`, withMessage,
		},
		{
			"get tls subscription", func(ctx context.Context, c *qencode.Client) (any, error) { return c.TLSSubscription(ctx, tlsID) },
			sent{"GET", "/v1/tls/subscriptions/" + tlsID, "", ""},
			`{"tls_subscription": ` + aTLS + `}`, subscription,
		},
		{
			"list tls subscriptions", func(ctx context.Context, c *qencode.Client) (any, error) { return c.TLSSubscriptions(ctx) },
			sent{"GET", "/v1/tls/subscriptions", "", ""},
			`{"tls_subscriptions": [` + aTLS + `]}`,
			[]qencode.TLSSubscription{subscription},
		},
		{"delete tls subscription", func(ctx context.Context, c *qencode.Client) (any, error) {
			return none(c.DeleteTLSSubscription(ctx, tlsID))
		}, sent{"DELETE", "/v1/tls/subscriptions/" + tlsID, "", ""}, status, nil},
		{
			"get signing key", func(ctx context.Context, c *qencode.Client) (any, error) { return c.SigningKey(ctx, kid) },
			sent{"GET", "/v1/signing-keys/" + kid, "", ""},
			`{"signing_key": ` + aKey + `}`, key,
		},
		{
			"list signing keys", func(ctx context.Context, c *qencode.Client) (any, error) { return c.SigningKeys(ctx) },
			sent{"GET", "/v1/signing-keys", "", ""},
			`{"signing_keys": [{"created": "2023-06-07 14:17:25", "id": "` + otherKey.ID + `", "domain_id": "` + domainID + `", "colour": "red", "size": 3, "pem": "-----BEGIN RSA PRIVATE KEY-----"},
			 {"stream_id": "` + streamID + `", "created": "2023-06-12 15:00:40", "id": "` + kid + `", "name": null, "bucket": null}]}`,
			[]qencode.SigningKey{otherKey, unnamed},
		},
		{
			"list of a resource", func(ctx context.Context, c *qencode.Client) (any, error) { return c.List(ctx, stream) },
			sent{"GET", "/v1/signing-keys", "", ""},
			`{"signing_keys": [` + aKey + `, {"id": "older", "stream_id": "` + streamID + `", "created": "2023-06-12 15:00:39"}, {"id": "x", "domain_id": "` + domainID + `"}]}`,
			[]provider.Listed{
				{KID: "older", CreatedAt: key.CreatedAt.Add(-time.Second)},
				{KID: kid, Name: "My Signing Key", CreatedAt: key.CreatedAt},
			},
		},
		{
			"list of a bucket whose field has another name", func(ctx context.Context, c *qencode.Client) (any, error) {
				return c.List(ctx, "bucket:"+bucket)
			},
			sent{"GET", "/v1/signing-keys", "", ""},
			`{"signing_keys": [` + aKey + `, {"id": "one", "bucket_name": "` + bucket + `", "created": "2023-06-12 15:00:40"}, {"id": "two", "bucket_name": "other", "created": ""}]}`,
			[]provider.Listed{{KID: "one", CreatedAt: key.CreatedAt}},
		},
		{"rename", func(ctx context.Context, c *qencode.Client) (any, error) {
			return none(c.Label(ctx, stream, kid, "My Signing Key"))
		}, sent{"PUT", "/v1/signing-keys/" + kid, json, `{"name":"My Signing Key"}`}, `{"signing_key": ` + aKey + `}`, nil},
		{
			"delete signing key", func(ctx context.Context, c *qencode.Client) (any, error) { return none(c.Revoke(ctx, stream, kid)) },
			sent{"DELETE", "/v1/signing-keys/" + kid, "", ""},
			status, nil,
		},
		{
			"policy", func(ctx context.Context, c *qencode.Client) (any, error) { return c.Protect(ctx, "bucket:"+bucket) },
			sent{"PUT", "/v1/buckets/my-bucket/policy/authenticated", "", ""},
			status,
			provider.Protection{Change: "the bucket's policy becomes authenticated", Breaks: "who reads the bucket without a token is refused", Repeats: true},
		},
		{"set cors", func(ctx context.Context, c *qencode.Client) (any, error) {
			return none(c.SetCORS(ctx, bucket, map[string]string{"Access-Control-Allow-Origin": "*"}))
		}, sent{"POST", "/v1/buckets/my-bucket/cors", json, `{"Access-Control-Allow-Origin":"*"}`}, status, nil},
		{
			"get cors", func(ctx context.Context, c *qencode.Client) (any, error) { return c.CORS(ctx, bucket) },
			sent{"GET", "/v1/buckets/my-bucket/cors", "", ""},
			`{"Access-Control-Max-Age": "1600"}`,
			map[string]string{"Access-Control-Max-Age": "1600"},
		},
		{
			"delete cors", func(ctx context.Context, c *qencode.Client) (any, error) { return none(c.DeleteCORS(ctx, bucket)) },
			sent{"DELETE", "/v1/buckets/my-bucket/cors", "", ""},
			status, nil,
		},
		{"delete cors header", func(ctx context.Context, c *qencode.Client) (any, error) {
			return none(c.DeleteCORSHeader(ctx, bucket, "Access-Control-Allow-Origin"))
		}, sent{"DELETE", "/v1/buckets/my-bucket/cors/Access-Control-Allow-Origin", "", ""}, status, nil},
		{
			"purge all", func(ctx context.Context, c *qencode.Client) (any, error) { return none(c.PurgeAll(ctx, bucket)) },
			sent{"POST", "/v1/buckets/my-bucket/cache/purge_all", "", ""},
			status, nil,
		},
		{"purge", func(ctx context.Context, c *qencode.Client) (any, error) {
			return none(c.Purge(ctx, bucket, "path/to/object"))
		}, sent{"POST", "/v1/buckets/my-bucket/cache/purge", json, `{"path":"path/to/object"}`}, status, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := newAccount(t)
			var got sent
			cdn := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = sent{r.Method, r.URL.EscapedPath(), r.Header.Get("Content-Type"), string(body)}
				_, _ = io.WriteString(w, tc.answer)
			}))
			result, err := tc.do(t.Context(), a.clientOf(t, cdn, serve(t, a.server.Live())))
			ok(t, err)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.result, result); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAccount walks through every call against the stand-in, which refuses what the vendor does not
// document.
func TestAccount(t *testing.T) {
	t.Parallel()
	a, ctx := newAccount(t), t.Context()
	domain, err := a.client.CreateDomain(ctx, "live.example.com", qencode.TypeLive)
	ok(t, err)
	again, err := a.client.Domain(ctx, domain.ID)
	ok(t, err)
	if diff := cmp.Diff(domain, again); diff != "" {
		t.Error(diff)
	}
	_, err = a.client.CreateDomain(ctx, "vod.example.com", "storage")
	ok(t, err)
	if all, err := a.client.Domains(ctx); err != nil || len(all) != 2 {
		t.Errorf("got %v and %v, want both domains", all, err)
	}
	if live, err := a.client.DomainsOfType(ctx, qencode.TypeLive); err != nil || len(live) != 1 || live[0] != domain {
		t.Errorf("got %v and %v, want the live domain", live, err)
	}
	tls, err := a.client.CreateTLSSubscription(ctx, domain.ID)
	ok(t, err)
	if tls.Message == "" {
		t.Error("no message: the user needs the CNAME that it names")
	}
	if one, err := a.client.TLSSubscription(ctx, tls.ID); err != nil || one.Message != "" || one.DomainID != domain.ID {
		t.Errorf("got %v and %v", one, err)
	}
	if all, err := a.client.TLSSubscriptions(ctx); err != nil || len(all) != 1 {
		t.Errorf("got %v and %v", all, err)
	}
	ok(t, a.client.DeleteTLSSubscription(ctx, tls.ID))
	ok(t, a.client.DeleteTLSSubscription(ctx, tls.ID))

	for _, resource := range []string{stream, "domain:" + domain.ID, "bucket:" + bucket} {
		minted, err := a.client.Mint(ctx, resource)
		ok(t, err)
		if want := a.clock.Now().Truncate(time.Second); !minted.CreatedAt.Equal(want) {
			t.Errorf("%s: made at %v, want %v", resource, minted.CreatedAt, want)
		}
		if !bytes.HasPrefix(minted.Secret.Reveal(), []byte("-----BEGIN RSA PRIVATE KEY-----\n")) {
			t.Errorf("%s: the secret is no PEM of PKCS#1", resource)
		}
		ok(t, a.client.Label(ctx, resource, minted.KID, "ours"))
		listed, err := a.client.List(ctx, resource)
		ok(t, err)
		want := []provider.Listed{{KID: minted.KID, Name: "ours", CreatedAt: minted.CreatedAt}}
		if diff := cmp.Diff(want, listed); diff != "" {
			t.Errorf("%s: %s", resource, diff)
		}
		ok(t, a.client.Revoke(ctx, resource, minted.KID))
		ok(t, a.client.Revoke(ctx, resource, minted.KID))
		if _, err := a.client.SigningKey(ctx, minted.KID); !wantClass(t, err, provider.ErrGone).Gone {
			t.Errorf("%s: the key should be gone", resource)
		}
	}

	cors := map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "1600"}
	ok(t, a.client.SetCORS(ctx, bucket, cors))
	ok(t, a.client.DeleteCORSHeader(ctx, bucket, "Access-Control-Max-Age"))
	if got, err := a.client.CORS(ctx, bucket); err != nil || len(got) != 1 {
		t.Errorf("got %v and %v, want one header left", got, err)
	}
	ok(t, a.client.DeleteCORS(ctx, bucket))
	ok(t, a.client.PurgeAll(ctx, bucket))
	ok(t, a.client.Purge(ctx, bucket, "path/to/object"))
	if diff := cmp.Diff([]string{"", "path/to/object"}, a.server.Purged(bucket)); diff != "" {
		t.Error(diff)
	}
	ok(t, a.client.DeleteDomain(ctx, domain.ID))
}

func TestProtect(t *testing.T) {
	t.Parallel()
	a, ctx := newAccount(t), t.Context()
	_, err := a.client.Protect(ctx, "bucket:"+bucket)
	ok(t, err)
	if !a.server.Protected("bucket:" + bucket) {
		t.Error("the bucket should want tokens")
	}
	done, err := a.client.Protect(ctx, stream)
	ok(t, err)
	if done.PlaybackID == "" || done.Open == "" || a.server.Protected(stream) {
		t.Errorf("got %+v, want a new playback id, and a word on the public one that stays", done)
	}
	_, err = a.client.Protect(ctx, "domain:"+streamID)
	wantClass(t, err, provider.ErrRejected)
}

// TestPlaybackIDForms takes the forms that the answer of an undocumented call may have, and says so when it
// has none of them.
func TestPlaybackIDForms(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"playback_id": {"id": "abc", "policy": "authenticated"}}`: "abc",
		`{"playback_id": {"id": "abc"}}`:                            "abc",
		`{"playback_id": "abc"}`:                                    "abc",
		`{"id": "abc", "policy": "authenticated"}`:                  "abc",
		`{"playback_id": {"id": "abc", "policy": "public"}}`:        "",
		`{"status": "ok"}`:                                          "",
		`{"playback_id": {"id": "a/b"}}`:                            "",
	} {
		a := newAccount(t)
		live := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/live-streams/"+streamID+"/playback-ids" {
				_, _ = io.WriteString(w, body)
				return
			}
			a.server.Live().ServeHTTP(w, r)
		}))
		got, err := a.clientOf(t, a.url, live).CreatePlaybackID(t.Context(), streamID, qencode.Authenticated)
		if got.ID != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q and %v, want %q", body, got.ID, err, want)
		}
		if want == "" {
			wantClass(t, err, provider.ErrAmbiguous)
		}
	}
}
