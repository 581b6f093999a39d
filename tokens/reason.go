package tokens

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Reason says why something was refused. The values are one stable list for the API
// (google.rpc.ErrorInfo), the command line and the documentation: docs/reasons.md has a section for
// each.
type Reason string

// Reasons of refused tokens, keys and parameters.
const (
	// Expired: the token's expiry lies in the past.
	Expired Reason = "EXPIRED"
	// NotYetValid: the token's start lies in the future.
	NotYetValid Reason = "NOT_YET_VALID"
	// BadSignature: the MAC or signature does not match. For formats that hash a hidden resource
	// (hdnts stream id, EdgeAuth url) a token of another resource looks the same.
	BadSignature Reason = "BAD_SIGNATURE"
	// WrongAlgorithm: the token names an algorithm other than the one its format allows.
	WrongAlgorithm Reason = "WRONG_ALGORITHM"
	// UnknownKey: the token names no key, or one that is not known here.
	UnknownKey Reason = "UNKNOWN_KEY"
	// KeyRetired: the token was signed with a key that no longer counts.
	KeyRetired Reason = "KEY_RETIRED"
	// PathNotCovered: the token is sound, but for another path, stream or object.
	PathNotCovered Reason = "PATH_NOT_COVERED"
	// IPMismatch: the token is bound to another client address.
	IPMismatch Reason = "IP_MISMATCH"
	// Malformed: the text is not a token of this format.
	Malformed Reason = "MALFORMED"
	// NoExpiry: no expiry was asked for, or the token carries none.
	NoExpiry Reason = "NO_EXPIRY"
	// LifetimeTooLong: the expiry lies further ahead than the cap allows.
	LifetimeTooLong Reason = "LIFETIME_TOO_LONG"
	// InvalidKey: the key material is empty, too short, of the wrong type or otherwise unusable.
	InvalidKey Reason = "INVALID_KEY"
	// InvalidArgument: a parameter is missing or not allowed.
	InvalidArgument Reason = "INVALID_ARGUMENT"
)

// Reasons of the service, beyond those of tokens.
const (
	// AmbiguousKey: key material that can be read in two ways.
	AmbiguousKey Reason = "AMBIGUOUS_KEY"
	// NoActiveKey: no key of the target signs.
	NoActiveKey Reason = "NO_ACTIVE_KEY"
	// KeyCutover: a cut of the key is so near that no useful token can be signed.
	KeyCutover Reason = "KEY_CUTOVER"
	// SnapshotStale: the keys in memory are older than the service may sign from.
	SnapshotStale Reason = "SNAPSHOT_STALE"
	// Overloaded: the signing queue is too long for the request to be served in time.
	Overloaded Reason = "OVERLOADED"
	// NotFound: no such playback, target or key.
	NotFound Reason = "NOT_FOUND"
	// AlreadyExists: the id is taken, or the same key is there already.
	AlreadyExists Reason = "ALREADY_EXISTS"
	// ReadOnly: the object stands in the config file.
	ReadOnly Reason = "READ_ONLY"
	// IllegalMove: the key's state does not allow the change.
	IllegalMove Reason = "ILLEGAL_MOVE"
	// InUse: the target still has playbacks or keys.
	InUse Reason = "IN_USE"
	// Busy: another change of the target is under way.
	Busy Reason = "BUSY"
	// NotRotated: the target names no account or no resource at its provider.
	NotRotated Reason = "NOT_ROTATED"
	// OperationOpen: an operation of the target is under way already.
	OperationOpen Reason = "OPERATION_OPEN"
	// NoCredentials: this process holds no credentials for the provider.
	NoCredentials Reason = "NO_CREDENTIALS"
	// ProviderFailed: the provider refused a call or could not be reached.
	ProviderFailed Reason = "PROVIDER_FAILED"
	// NotEntitled: the playback's policy does not let the viewer in.
	NotEntitled Reason = "NOT_ENTITLED"
	// Revoked: the viewer, playback, grant or session was revoked.
	Revoked Reason = "REVOKED"
	// SessionLimit: one session, play or device more than the playback or the grant allows.
	SessionLimit Reason = "SESSION_LIMIT"
	// SessionEnded: the session was stopped, evicted or revoked, or has expired.
	SessionEnded Reason = "SESSION_ENDED"
	// EntitlementUnknown: a web hook or the store did not answer whether the viewer may watch.
	EntitlementUnknown Reason = "ENTITLEMENT_UNKNOWN"
	// IdempotencyMismatch: the idempotency key was used for something else.
	IdempotencyMismatch Reason = "IDEMPOTENCY_MISMATCH"
	// MintDisabled: the config does not switch MintToken on.
	MintDisabled Reason = "MINT_DISABLED"
	// ForbiddenOrigin: an HTTP request whose Host or Origin is not this service's own.
	ForbiddenOrigin Reason = "FORBIDDEN_ORIGIN"
	// UnsupportedMediaType: an HTTP write that is not application/json.
	UnsupportedMediaType Reason = "UNSUPPORTED_MEDIA_TYPE"
	// RequestTooLarge: the body or message is over its limit.
	RequestTooLarge Reason = "REQUEST_TOO_LARGE"
	// Unavailable: the store cannot be reached, or the service is shutting down.
	Unavailable Reason = "UNAVAILABLE"
	// Timeout: the caller's deadline passed, or the caller went away.
	Timeout Reason = "TIMEOUT"
	// Unimplemented: no such method.
	Unimplemented Reason = "UNIMPLEMENTED"
	// Internal: a fault of the service; the request id finds it in the log.
	Internal Reason = "INTERNAL"
)

// Classes of errors, for errors.Is.
var (
	// ErrInvalidParams marks the caller's fault in parameters to sign.
	ErrInvalidParams = errors.New("invalid parameters")
	// ErrInvalidKey marks key material that cannot be used.
	ErrInvalidKey = errors.New("invalid key")
	// ErrRefused marks a presented token that is not accepted.
	ErrRefused = errors.New("token refused")
)

// Error is the error type of this package and of every format below it. Its text says what was wrong
// and what would be right. It never holds key material, nor a MAC that would have been accepted.
type Error struct {
	Reason  Reason
	Field   string // the parameter or token field at fault; may be empty
	Message string
	class   error
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the class: ErrInvalidParams, ErrInvalidKey or ErrRefused.
func (e *Error) Unwrap() error { return e.class }

// ParamError reports the caller's fault in parameter field. It wraps ErrInvalidParams.
func ParamError(reason Reason, field, format string, args ...any) *Error {
	return &Error{Reason: reason, Field: field, Message: field + ": " + fmt.Sprintf(format, args...), class: ErrInvalidParams}
}

// KeyError reports unusable key material, with reason INVALID_KEY. It wraps ErrInvalidKey.
func KeyError(format string, args ...any) *Error {
	return &Error{Reason: InvalidKey, Field: "key", Message: fmt.Sprintf(format, args...), class: ErrInvalidKey}
}

// Refuse reports a presented token that is not accepted. It wraps ErrRefused.
func Refuse(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...), class: ErrRefused}
}

// ReasonOf returns the reason that err carries, or an empty Reason.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

// TellsMore reports whether err, by which one key refused a token, says more of it than a refusal by
// another key: a key that recognises its own signature knows best. A nil error says nothing.
func TellsMore(err, than error) bool {
	rank := func(e error) int {
		switch ReasonOf(e) {
		case "":
			return 0
		case UnknownKey:
			return 1
		case BadSignature:
			return 2
		case KeyRetired:
			return 4
		default:
			return 3
		}
	}
	return rank(err) > rank(than)
}

// Clip bounds a text of the caller's for use in a message: at most 64 bytes of sound UTF-8, with a mark
// where it was cut.
func Clip(text string) string {
	const most = 64
	if len(text) <= most {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.ToValidUTF8(text[:end], "\uFFFD") + "…"
}
