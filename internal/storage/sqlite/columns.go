package sqlite

import (
	"database/sql"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tokensvc/tokensvc/keystore"
)

// uuidBytes reads the id of a grant or revocation; one of another form names none.
func uuidBytes(id string) ([]byte, error) {
	u, err := uuid.Parse(id)
	if err != nil || u.String() != id {
		return nil, keystore.ErrNotFound
	}
	return u[:], nil
}

func uuidText(b []byte) (string, error) {
	if b == nil {
		return "", nil
	}
	u, err := uuid.FromBytes(b)
	return u.String(), err
}

func optionalText(text string) sql.Null[string] { return sql.Null[string]{V: text, Valid: text != ""} }

func micro(n int64) time.Time { return time.UnixMicro(n).UTC() }

// condition is part of a WHERE clause.
type condition struct {
	text []string
	args []any
}

func (c *condition) and(text string, args ...any) {
	c.text, c.args = append(c.text, text), append(c.args, args...)
}

func (c *condition) where() string {
	if len(c.text) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(c.text, ` AND `)
}
