package wowza

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const timeFormat = "2006-01-02T15:04:05.000Z"

// object is a JSON object to be.
type object map[string]any

// refusal is an error of the API.
type refusal struct {
	status     int
	code, text string
}

func refuse(status int, name, text string) *refusal {
	return &refusal{status: status, code: fmt.Sprintf("ERR-%d-%s", status, name), text: text}
}

func notFound() *refusal {
	return refuse(http.StatusNotFound, "RecordNotFound", "The requested resource couldn't be found.")
}

func invalid(why string) *refusal {
	return refuse(http.StatusUnprocessableEntity, "RecordInvalid", "The request couldn't be processed. "+why)
}

func (s *Server) sendRefusal(w http.ResponseWriter, f *refusal) {
	send(w, f.status, object{
		"meta": object{
			"status": f.status, "code": f.code, "title": http.StatusText(f.status), "message": f.text,
			"description": "", "links": []string{},
		},
		"request_id":        randomHex(16),
		"request_timestamp": s.cfg.clock().UTC().Format(timeFormat),
	})
}

func send(w http.ResponseWriter, status int, body any) {
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(body); err != nil {
		http.Error(w, "the stand-in cannot put its answer into JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // nobody is left to tell
}

func randomHex(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // it never fails
	return hex.EncodeToString(raw)
}

func stamp(t time.Time) string { return t.UTC().Format(timeFormat) }
