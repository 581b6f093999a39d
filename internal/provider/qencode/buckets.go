package qencode

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

// Policy says who may play something.
type Policy string

// Policies. The vendor's default is Public.
const (
	Public        Policy = "public"        // everybody
	Authenticated Policy = "authenticated" // who has a token
)

func (p Policy) check(call string) error {
	if p != Public && p != Authenticated {
		return refused(call, `a policy is "public" or "authenticated"`)
	}
	return nil
}

// SetBucketPolicy sets who may read the objects of a bucket.
func (c *Client) SetBucketPolicy(ctx context.Context, bucket string, policy Policy) error {
	const call = "set bucket policy"
	if err := policy.check(call); err != nil {
		return err
	}
	return c.onBucket(ctx, rest.Request{Call: call, Method: http.MethodPut}, bucket, "/policy/"+string(policy), nil)
}

// SetCORS sets the CORS headers of a bucket: names that begin with "Access-Control-", with their values.
func (c *Client) SetCORS(ctx context.Context, bucket string, headers map[string]string) error {
	const call = "set cors"
	for name := range headers {
		if err := checkCORSHeader(call, name); err != nil {
			return err
		}
	}
	r, err := withBody(rest.Request{Call: call, Method: http.MethodPost}, headers)
	if err != nil {
		return err
	}
	return c.onBucket(ctx, r, bucket, "/cors", nil)
}

// CORS returns the CORS headers of a bucket.
func (c *Client) CORS(ctx context.Context, bucket string) (map[string]string, error) {
	var headers map[string]string
	err := c.onBucket(ctx, rest.Request{Call: "get cors", Method: http.MethodGet, Repeat: rest.ReadOnly}, bucket, "/cors", &headers)
	return headers, err
}

// DeleteCORS removes all CORS headers of a bucket.
func (c *Client) DeleteCORS(ctx context.Context, bucket string) error {
	return c.onBucket(ctx, rest.Request{Call: "delete cors", Method: http.MethodDelete}, bucket, "/cors", nil)
}

// DeleteCORSHeader removes one CORS header of a bucket. One that is gone already is a success, if the vendor
// says so by a 404; a bucket that does not exist then looks the same.
func (c *Client) DeleteCORSHeader(ctx context.Context, bucket, header string) error {
	const call = "delete cors header"
	if err := checkCORSHeader(call, header); err != nil {
		return err
	}
	r := rest.Request{Call: call, Method: http.MethodDelete}
	return ignoreGone(c.onBucket(ctx, r, bucket, "/cors/"+url.PathEscape(header), nil))
}

// PurgeAll empties the CDN's cache of a bucket.
func (c *Client) PurgeAll(ctx context.Context, bucket string) error {
	return c.onBucket(ctx, rest.Request{Call: "purge all", Method: http.MethodPost}, bucket, "/cache/purge_all", nil)
}

// Purge drops one object of a bucket from the CDN's cache. path is the object's key, without a slash in
// front, of at most 1024 bytes.
func (c *Client) Purge(ctx context.Context, bucket, path string) error {
	const call = "purge path"
	if path == "" || len(path) > 1024 || path[0] == '/' {
		return refused(call, "the key of an object has 1 to 1024 bytes and no slash in front")
	}
	r, err := withBody(rest.Request{Call: call, Method: http.MethodPost}, map[string]string{"path": path})
	if err != nil {
		return err
	}
	return c.onBucket(ctx, r, bucket, "/cache/purge", nil)
}

// onBucket makes a call below a bucket. All of them may be repeated: they say how things shall be.
func (c *Client) onBucket(ctx context.Context, r rest.Request, bucket, below string, out any) error {
	if err := checkBucket(r.Call, bucket); err != nil {
		return err
	}
	r.Path = "/v1/buckets/" + bucket + below
	if r.Repeat != rest.ReadOnly {
		r.Repeat = rest.Idempotent
	}
	return c.call(ctx, c.cdn, r, out)
}

// remove deletes what a path names. What is gone already is a success.
func (c *Client) remove(ctx context.Context, call, path string) error {
	r := rest.Request{Call: call, Method: http.MethodDelete, Path: path, Repeat: rest.Idempotent}
	return ignoreGone(c.call(ctx, c.cdn, r, nil))
}

func ignoreGone(err error) error {
	if errors.Is(err, provider.ErrGone) {
		return nil
	}
	return err
}

func checkCORSHeader(call, name string) error {
	if !corsForm().MatchString(name) {
		return refused(call, `a CORS header begins with "Access-Control-"`)
	}
	return nil
}

func corsForm() *regexp.Regexp { return regexp.MustCompile(`^Access-Control-[A-Za-z-]{1,64}$`) }
