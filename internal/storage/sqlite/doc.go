// Package sqlite keeps targets, keys, operations, leases and playbacks in one SQLite file. It implements
// keystore.Store and playback.Store.
//
// What is acknowledged is on disk: the file is in WAL mode with synchronous=FULL. Several processes may
// use one file at once. Writers take the write lock before they read, one at a time; readers never
// wait. An Update runs the caller's function without any lock and commits only if the record is still
// the one that the function saw.
//
// The bytes of a destroyed key leave the file's pages with the change, and the write-ahead log when it is
// next reset, at the latest when the last process closes the file. They are sealed all the while.
//
// The package owns the schema and its migrations. It imports keystore and playback, the driver and the
// migration library.
package sqlite
