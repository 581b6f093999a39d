package signer

import "time"

// SigningCost is what a signature in the pool is expected to take.
func SigningCost(s *Signer) time.Duration { return time.Duration(s.pool.cost.Load()) }

// Checks is the pool that verifies.
func Checks(s *Signer) *Pool { return s.checks }
