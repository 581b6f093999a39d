package qencode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

// maxBody bounds what a request may send, in bytes.
const maxBody = 64 << 10

// dateForm is how the vendor writes times: UTC, without saying so.
const dateForm = time.DateTime

// object is a JSON object of an answer.
type object = map[string]any

// okay is the answer of calls that have nothing to tell.
func okay() object { return object{"status": "ok"} }

// refusal is an answer that says no. The vendor publishes no errors for this API: the codes are those of
// its other APIs, and the statuses what HTTP has for the case.
type refusal struct {
	status  int
	code    int
	message string
}

// Error implements error.
func (r *refusal) Error() string { return r.message }

// Codes of errors, as the vendor's other APIs have them.
const (
	codeInternal   = 1
	codeBadAPIKey  = 2
	codeBadToken   = 4
	codeNoToken    = 5
	codeTooLong    = 9
	codeFieldFault = 14
	codeNotFound   = 20 // ours: theirs has none that fits
)

func invalid(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, code: codeFieldFault, message: fmt.Sprintf(format, args...)}
}

func notFound(what string) *refusal {
	return &refusal{status: http.StatusNotFound, code: codeNotFound, message: what + " not found"}
}

// write sends answer, or the refusal that err is, as JSON.
func write(w http.ResponseWriter, answer any, err error, errors200 bool) {
	status := http.StatusOK
	if err != nil {
		said := &refusal{status: http.StatusInternalServerError, code: codeInternal, message: "internal error"}
		errors.As(err, &said)
		answer = object{"error": said.code, "message": said.message}
		if !errors200 {
			status = said.status
		}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The other end may be gone; there is nobody to tell.
	_, _ = w.Write(body)
}

// read decodes the JSON object of a request into v. Unknown fields and anything behind the object are
// refused, so that a client's typing errors do not pass here and fail at the vendor.
func read(r *http.Request, v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return invalid("Content-Type must be application/json")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return invalid("the body cannot be read")
	}
	if len(body) > maxBody {
		return &refusal{status: http.StatusRequestEntityTooLarge, code: codeTooLong, message: "the body is too long"}
	}
	in := json.NewDecoder(bytes.NewReader(body))
	in.DisallowUnknownFields()
	if err := in.Decode(v); err != nil {
		return invalid("the body is not the JSON object that this call takes")
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return invalid("something stands behind the JSON object")
	}
	return nil
}

func empty(r *http.Request) error {
	if n, err := io.ReadFull(r.Body, make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return invalid("this call takes no body")
	}
	return nil
}
