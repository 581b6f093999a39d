// Package sqlite keeps targets, keys, operations, leases, playbacks, grants and sessions in one SQLite file.
// It implements keystore.Store, playback.Store, entitle.Store and session.Store.
//
// What is acknowledged is on disk: the file is in WAL mode with synchronous=FULL. Grants and sessions are the
// exception, for there are many: they are committed in groups with synchronous=NORMAL. A process that is
// killed loses none of them; a power cut may take those of the last moments, back to the last checkpoint or
// change of another kind. A shop that repeats a call with its idempotency key, or an import, mends that.
//
// Several processes may use one file at once. Writers take the write lock before they read, one at a time; readers never
// wait. An Update runs the caller's function without any lock and commits only if the record is still
// the one that the function saw.
//
// The bytes of a destroyed key leave the file's pages with the change, and the write-ahead log when it is
// next reset, at the latest when the last process closes the file. They are sealed all the while.
//
// What comes by the thousand goes past database/sql, on connections of its own to the same engine: see conn and
// group. All the rest uses database/sql.
//
// The package owns the schema and its migrations. It imports the contracts that it implements, the two doors to
// the engine and the migration library.
package sqlite
