package streamapi

import (
	"math"
	"strconv"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/tokens"
)

const maxRID = math.MaxInt64

// Codes of answers. 0 is success.
const (
	codeOK         = "0"
	codeMissing    = "1"
	codeNoUser     = "8"
	codeNoSession  = "46"
	codeBadKey     = "200"
	codeNotOurs    = "201"
	codeBadSig     = "202"
	codeBadRID     = "203"
	maxCodeDigits  = 9
	wantPublicID   = "want a public host id: 1 to 20 digits"
	wantPrivateID  = "want a private host id: 32 upper-case letters and digits"
	unreadableBody = "the answer is no XML document as expected"
)

// answer is an answer of code 0.
type answer struct {
	resp rest.Response
	root *element
}

// readAnswer reads the answer to a call. The provider says in the XML whether a call went well; the HTTP
// status is 200 either way.
func readAnswer(resp rest.Response) (*answer, error) {
	root, err := parse(resp.Body)
	if err != nil {
		return nil, resp.Unreadable(unreadableBody)
	}
	code, ok := root.value("code")
	if !ok || !consists(code, digits, maxCodeDigits) {
		return nil, resp.Unreadable("the answer holds no code, or more than one")
	}
	if code == codeOK {
		return &answer{resp: resp, root: root}, nil
	}
	failure := resp.Unreadable("")
	failure.Code = code
	classify(failure)
	return nil, failure
}

// classify sets class and detail by the provider's code. Those that are not listed, "unknown error" (100) among
// them, leave open whether the call was applied.
func classify(failure *provider.Error) {
	switch failure.Code {
	case codeMissing:
		failure.Class, failure.Detail = provider.ErrRejected, "a parameter is missing"
	case codeNoUser:
		failure.Class, failure.Gone, failure.Detail = provider.ErrRejected, true, "no such user"
	case codeNoSession:
		failure.Class, failure.Gone, failure.Detail = provider.ErrRejected, true, "no such session"
	case codeNotOurs:
		failure.Class, failure.Detail = provider.ErrRejected, "the user was not made by this account"
	case codeBadKey:
		failure.Class, failure.Detail = provider.ErrDenied, "the API key is not known"
	case codeBadSig:
		failure.Class, failure.Detail = provider.ErrDenied, "the signature is wrong; check the secret key"
	case codeBadRID:
		failure.Class, failure.Detail = provider.ErrThrottled,
			"the provider has seen a greater request id of this API key; stop whoever else uses the key, or raise the floor above what they used"
	default:
		failure.Detail = "a code that says nothing of what happened"
	}
}

// fields reads the values of one element of an answer. The first that cannot be read spoils all.
type fields struct {
	in    *element
	fault bool
}

// text returns the text of the element of that name; "" when there is none.
func (f *fields) text(name string) string {
	found := f.in.all(name)
	if len(found) > 1 {
		f.fault = true
	}
	if len(found) == 0 {
		return ""
	}
	return found[0].text
}

// number returns a number that is not negative; 0 when the element is absent or empty.
func (f *fields) number(name string) int64 {
	text := f.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		f.fault = true
	}
	return n
}

// millis returns a moment; the zero Time when the element is absent or empty.
func (f *fields) millis(name string) time.Time {
	if ms := f.number(name); ms > 0 {
		return fromMillis(ms)
	}
	return time.Time{}
}

// publicID returns a public host id, which has to be there.
func (f *fields) publicID() string {
	id := f.text("public_hostid")
	f.fault = f.fault || !isPublicID(id)
	return id
}

// privateID returns a private host id, which has to be there.
func (f *fields) privateID() tokens.Secret {
	id := f.text("private_hostid")
	f.fault = f.fault || !isPrivateID(id)
	return tokens.NewSecret([]byte(id))
}
