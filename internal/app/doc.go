// Package app is the composition root: it turns a config into objects, runs them as one group and shuts
// them down in order. It holds no rules of its own.
package app
