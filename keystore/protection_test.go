package keystore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokensvc/tokensvc/keystore"
)

func TestProtectKeepsTheLatestOfEachResource(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	r := keystore.Record{Target: keystore.Target{ID: "event", Resources: []string{"a", "b"}}}
	if _, known := r.Protection("a"); known {
		t.Error("something is known of a before anything was done")
	}
	r.Protect(keystore.Protection{Resource: "a", PlaybackID: "old", At: at})
	r.Protect(keystore.Protection{Resource: "b", At: at})
	r.Protect(keystore.Protection{Resource: "a", PlaybackID: "new", At: at.Add(time.Hour)})
	if p, known := r.Protection("a"); !known || p.PlaybackID != "new" || len(r.Protections) != 2 {
		t.Errorf("%+v", r.Protections)
	}
	kept := r.Clone()
	r.Target.Resources = []string{"b", "c"}
	r.Protect(keystore.Protection{Resource: "c", At: at})
	want := []keystore.Protection{{Resource: "b", At: at}, {Resource: "c", At: at}}
	if diff := cmp.Diff(want, r.Protections); diff != "" {
		t.Errorf("a is no resource any more:\n%s", diff)
	}
	if p, known := kept.Protection("a"); !known || p.PlaybackID != "new" {
		t.Errorf("the copy has changed: %+v", kept.Protections)
	}
}
