package signer

import (
	"github.com/maypok86/otter/v2"

	"github.com/tokensvc/tokensvc/tokens"
)

// provenToken names a token whose signature a key has checked. The prepared key stands for itself, so that
// nothing proven outlives the secret that proved it.
type provenToken struct {
	key   tokens.Key
	token string
}

// proven remembers what costly signatures have proved, so that a player that shows one token with each
// request costs one check. It is bounded; the least used tokens leave first. Refusals are not remembered:
// whoever invents tokens fills nothing.
type proven struct {
	cache *otter.Cache[provenToken, tokens.Statement]
	uses  uses
}

func newProven(size int) *proven {
	return &proven{cache: otter.Must(&otter.Options[provenToken, tokens.Statement]{MaximumSize: size})}
}

// of returns the key of the target that has proved the token, and what the token says.
func (p *proven) of(target *Target, token string) (*Key, tokens.Statement, bool) {
	for _, k := range target.Keys {
		if statement, ok := p.cache.GetIfPresent(provenToken{k.Key, token}); ok {
			p.uses.count(true)
			return k, statement, true
		}
	}
	p.uses.count(false)
	return nil, nil, false
}

func (p *proven) remember(k *Key, token string, statement tokens.Statement) {
	p.cache.Set(provenToken{k.Key, token}, statement)
}
