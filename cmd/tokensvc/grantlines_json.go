package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// parseGrantJSON reads a JSON object. A member that is there twice is refused, since one of the two would be taken in
// silence, and so is one whose name differs in its capitals.
func parseGrantJSON(text string) (*grantRow, error) {
	d := json.NewDecoder(strings.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	row := &grantRow{}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, errors.New("not valid JSON")
		}
		name, _ := token.(string) // a key is
		to, want := row.member(name)
		switch {
		case to == nil:
			return nil, fmt.Errorf("there is no member %q; there are %s", tokens.Clip(name), strings.Join(grantColumns(), ", "))
		case seen[name]:
			return nil, fmt.Errorf("member %q is there twice", name)
		}
		seen[name] = true
		if err := d.Decode(to); err != nil {
			if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
				return nil, fmt.Errorf("%s: want %s", name, want)
			}
			return nil, fmt.Errorf("%s: not valid JSON", name)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("the JSON object does not end on its line")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the JSON object")
	}
	return row, nil
}

// member returns where a member is kept and what it holds; nil for one that there is not.
func (r *grantRow) member(name string) (to any, want string) {
	const (
		text   = "a text"
		number = "a whole number without quotes"
		list   = `an array of texts, like ["DE", "AT"]`
		prefix = `an array of texts, like ["192.0.2.0/24"]`
		moment = "a text like \"2026-12-24T20:00:00Z\""
	)
	switch name {
	case "viewer":
		return &r.Viewer, text
	case "playback":
		return &r.Playback, text
	case "product":
		return &r.Product, text
	case "start":
		return &r.Start, moment
	case "end":
		return &r.End, moment
	case "max_plays":
		return &r.MaxPlays, number
	case "max_sessions":
		return &r.MaxSessions, number
	case "max_devices":
		return &r.MaxDevices, number
	case "countries":
		return &r.Countries, list
	case "networks":
		return &r.Networks, prefix
	case "order":
		return &r.Order, text
	case "idempotency_key":
		return &r.IdempotencyKey, text
	default:
		return nil, ""
	}
}
