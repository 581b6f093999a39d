package sqlite

// following is what the sessions of one transaction have in common, read once for all of them.
type following struct {
	revision int64 // the last one given
	given    bool
	anyHold  bool // a revocation may hold somebody
}

// follow returns what the transaction's sessions have in common. Nobody else writes meanwhile.
func (t *groupTx) follow() (*following, error) {
	if t.following != nil {
		return t.following, nil
	}
	var f following
	err := t.row(`SELECT value, EXISTS (SELECT 1 FROM revocations WHERE holds = 1 AND lifted_at IS NULL) FROM counters WHERE name = 'session'`).
		Scan(&f.revision, &f.anyHold)
	if err != nil {
		return nil, err
	}
	t.following = &f
	return t.following, nil
}

// nextRevision gives a change of a session its revision. One that is undone leaves a gap.
func (t *groupTx) nextRevision() (int64, error) {
	f, err := t.follow()
	if err != nil {
		return 0, err
	}
	f.revision++
	f.given = true
	return f.revision, nil
}

// keepRevision writes the last revision given.
func (t *groupTx) keepRevision() error {
	if t.following == nil || !t.following.given {
		return nil
	}
	_, err := t.exec(`UPDATE counters SET value = ? WHERE name = 'session'`, t.following.revision)
	return err
}
