package server

import (
	"encoding/base64"

	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// defaultPageSize is what a list returns when the caller names no size.
const defaultPageSize = 100

// pageOf reads the paging fields of a list request. It asks the store for one more than the page, to
// know whether another follows.
func pageOf(size int32, token string) (keystore.Page, error) {
	if size == 0 {
		size = defaultPageSize
	}
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return keystore.Page{}, tokens.ParamError(tokens.InvalidArgument, "page_token", "not a next_page_token of an earlier page")
	}
	return keystore.Page{After: string(after), Limit: int(size) + 1}, nil
}

// cut splits what the store returned into the page and the token of the next.
func cut[T any](all []T, p keystore.Page, id func(T) string) ([]T, string) {
	if len(all) < p.Limit {
		return all, ""
	}
	all = all[:p.Limit-1]
	return all, base64.RawURLEncoding.EncodeToString([]byte(id(all[len(all)-1])))
}
