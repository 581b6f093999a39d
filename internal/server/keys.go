package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"buf.build/go/protovalidate"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/keyimport"
	"github.com/tokensvc/tokensvc/internal/obs"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// changeLease is how long one administrative change may hold its target, and refreshTime how long the
// keyring may take to follow it.
const (
	changeLease = 3 * time.Second
	refreshTime = 5 * time.Second
)

// leaseWait is how long a change waits for the one before it: longer than the lease of a process that
// has died.
const leaseWait = 4 * time.Second

type keyService struct {
	tokensvcv1.UnimplementedKeyServiceServer
	store     keystore.Store
	sealer    keystore.Sealer
	catalogue *playback.Catalogue
	keyring   *signer.Keyring
	timing    keystore.Timing
	accounts  map[string]string // id -> provider
	validator protovalidate.Validator
	holder    string
	now       func() time.Time
	log       *slog.Logger
}

// CreateTarget implements KeyService.
func (s *keyService) CreateTarget(ctx context.Context, r *tokensvcv1.CreateTargetRequest) (*tokensvcv1.CreateTargetResponse, error) {
	t, err := s.target(r.GetTarget())
	if err != nil {
		return nil, err
	}
	t.CreatedAt, t.UpdatedAt = s.now(), s.now()
	record, err := s.store.Create(ctx, t)
	if err != nil {
		return nil, existsAs(err, "target %q exists already; update it instead", t.ID)
	}
	s.refresh(ctx)
	return &tokensvcv1.CreateTargetResponse{Target: targetProto(record.Target)}, nil
}

// target reads a target and checks what it names.
func (s *keyService) target(in *tokensvcv1.Target) (keystore.Target, error) {
	t, err := targetFromProto(in)
	if err != nil {
		return t, err
	}
	if t.Account != "" && s.accounts[t.Account] != t.Provider {
		return t, tokens.ParamError(tokens.InvalidArgument, "account", "the config file has no account %q of provider %s; leave it empty for imported keys", t.Account, t.Provider)
	}
	return t, nil
}

// GetTarget implements KeyService.
func (s *keyService) GetTarget(ctx context.Context, r *tokensvcv1.GetTargetRequest) (*tokensvcv1.GetTargetResponse, error) {
	record, err := s.get(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.GetTargetResponse{Target: targetProto(record.Target)}, nil
}

func (s *keyService) get(ctx context.Context, id string) (keystore.Record, error) {
	record, err := s.store.Get(ctx, id)
	if errors.Is(err, keystore.ErrNotFound) {
		return record, refuse(tokens.NotFound, "target %q does not exist; `tokensvc targets list` shows them", id)
	}
	return record, err
}

// key returns a version of a target, or says how to find the ones there are.
func key(record *keystore.Record, version int32) (*keystore.Key, error) {
	k, err := record.Key(int(version))
	if errors.Is(err, keystore.ErrNotFound) {
		return nil, refuse(tokens.NotFound, "target %q has no key version %d; `tokensvc keys list %s` shows them", record.Target.ID, version, record.Target.ID)
	}
	return k, err
}

// checkPlaybacks refuses a change of a target that would leave playbacks which can no longer be signed.
func (s *keyService) checkPlaybacks(next keystore.Target) error {
	for p := range s.catalogue.Of(next.ID) {
		if err := playback.Check(p.Playback, next, s.now()); err != nil {
			return refuse(tokens.InUse, "playback %q could no longer be signed: %v; change the playback first", p.ID, err)
		}
	}
	return nil
}

// ListTargets implements KeyService.
func (s *keyService) ListTargets(ctx context.Context, r *tokensvcv1.ListTargetsRequest) (*tokensvcv1.ListTargetsResponse, error) {
	page, err := pageOf(r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	records, err := s.store.List(ctx, page)
	if err != nil {
		return nil, err
	}
	records, next := cut(records, page, func(r keystore.Record) string { return r.Target.ID })
	out := &tokensvcv1.ListTargetsResponse{NextPageToken: next}
	for _, record := range records {
		out.Targets = append(out.Targets, targetProto(record.Target))
	}
	return out, nil
}

// UpdateTarget implements KeyService.
func (s *keyService) UpdateTarget(ctx context.Context, r *tokensvcv1.UpdateTargetRequest) (*tokensvcv1.UpdateTargetResponse, error) {
	id := r.GetTarget().GetId()
	if id == "" {
		return nil, tokens.ParamError(tokens.InvalidArgument, "target.id", "name the target to change")
	}
	record, err := s.change(ctx, id, func(record *keystore.Record) error {
		if record.Target.Managed {
			return refuse(tokens.ReadOnly, "target %q stands in the config file; change it there and restart", id)
		}
		merged := targetProto(record.Target)
		if err := applyMask(merged, r.GetTarget(), r.GetUpdateMask(), targetMutable()); err != nil {
			return err
		}
		if err := s.validator.Validate(merged); err != nil {
			return err
		}
		next, err := s.target(merged)
		if err != nil {
			return err
		}
		if op := record.Operation; op != nil && record.Target.Moves(next) {
			return refuse(tokens.IllegalMove, "operation %s is under way; change account, resources and mode when it is done", op.ID)
		}
		if err := s.checkPlaybacks(next); err != nil {
			return err
		}
		record.Target = next
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.UpdateTargetResponse{Target: targetProto(record.Target)}, nil
}

// DeleteTarget implements KeyService.
func (s *keyService) DeleteTarget(ctx context.Context, r *tokensvcv1.DeleteTargetRequest) (*tokensvcv1.DeleteTargetResponse, error) {
	record, err := s.get(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	if record.Target.Managed {
		return nil, refuse(tokens.ReadOnly, "target %q stands in the config file; remove it there and restart", r.GetId())
	}
	fence, err := s.lease(ctx, r.GetId())
	if err != nil {
		return nil, err
	}
	if err := s.store.Delete(ctx, r.GetId(), fence); err != nil {
		s.release(ctx, r.GetId(), fence)
		if errors.Is(err, keystore.ErrIllegal) {
			return nil, refuse(tokens.InUse, "%v", err)
		}
		return nil, err
	}
	s.refresh(ctx)
	return &tokensvcv1.DeleteTargetResponse{}, nil
}

// ListKeys implements KeyService.
func (s *keyService) ListKeys(ctx context.Context, r *tokensvcv1.ListKeysRequest) (*tokensvcv1.ListKeysResponse, error) {
	record, err := s.get(ctx, r.GetTargetId())
	if err != nil {
		return nil, err
	}
	out := &tokensvcv1.ListKeysResponse{}
	for _, k := range record.Keys {
		out.Keys = append(out.Keys, keyProto(r.GetTargetId(), k))
	}
	return out, nil
}

// GetKey implements KeyService.
func (s *keyService) GetKey(ctx context.Context, r *tokensvcv1.GetKeyRequest) (*tokensvcv1.GetKeyResponse, error) {
	record, err := s.get(ctx, r.GetTargetId())
	if err != nil {
		return nil, err
	}
	k, err := key(&record, r.GetVersion())
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.GetKeyResponse{Key: keyProto(r.GetTargetId(), *k)}, nil
}

// ImportKey implements KeyService.
func (s *keyService) ImportKey(ctx context.Context, r *tokensvcv1.ImportKeyRequest) (*tokensvcv1.ImportKeyResponse, error) {
	record, err := s.get(ctx, r.GetTargetId())
	if err != nil {
		return nil, err
	}
	scheme, err := schemes.New(record.Target.Scheme, record.Target.Options)
	if err != nil {
		return nil, err
	}
	read, err := keyimport.Read(scheme, r.GetMaterial(), keyimport.Options{
		Encoding: encodingFromProto(r.GetEncoding()), KID: r.GetKid(), AllowShort: r.GetAllowShort(),
		RequireKID: record.Target.Provider == "qencode", // whose edge looks the key up by the id it gave it
	})
	if err != nil {
		return nil, err
	}
	if err := keyimport.Prove(scheme, read.Material, s.now()); err != nil {
		return nil, err
	}
	version := 0
	record, err = s.change(ctx, r.GetTargetId(), func(record *keystore.Record) error {
		for _, k := range record.Keys {
			if k.Fingerprint == read.Fingerprint && k.State != keystore.Destroyed {
				return refuse(tokens.AlreadyExists, "key %d of target %q is the same key, in state %s", k.Version, record.Target.ID, k.State)
			}
		}
		if twin := record.Named(read.KID); twin != nil {
			return refuse(tokens.AlreadyExists, "key %d of target %q, in state %s, has the id %q already; give each key the id that the provider shows for it", twin.Version, record.Target.ID, twin.State, read.KID)
		}
		k := record.Add(keystore.Key{KID: read.KID, Fingerprint: read.Fingerprint, Origin: "import"}, s.now())
		version = k.Version
		sealed, err := s.sealer.Seal(keystore.Binding{Target: record.Target.ID, Version: version}, read.Material.Secret)
		if err != nil {
			return err
		}
		k.Sealed = sealed
		if r.GetActivate() {
			return record.Activate(version, s.now(), s.timing)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	k, err := key(&record, int32(version))
	if err != nil {
		return nil, err
	}
	return &tokensvcv1.ImportKeyResponse{Key: keyProto(record.Target.ID, *k), Recognised: read.Kind}, nil
}

// ActivateKey implements KeyService.
func (s *keyService) ActivateKey(ctx context.Context, r *tokensvcv1.ActivateKeyRequest) (*tokensvcv1.ActivateKeyResponse, error) {
	k, err := s.move(ctx, r.GetTargetId(), r.GetVersion(), func(record *keystore.Record, version int) error {
		return record.Activate(version, s.now(), s.timing)
	})
	return &tokensvcv1.ActivateKeyResponse{Key: k}, err
}

// RetireKey implements KeyService.
func (s *keyService) RetireKey(ctx context.Context, r *tokensvcv1.RetireKeyRequest) (*tokensvcv1.RetireKeyResponse, error) {
	if r.GetHorizon() != nil {
		if err := r.GetHorizon().CheckValid(); err != nil || r.GetHorizon().GetSeconds() < 1 || r.GetHorizon().GetSeconds() > tokens.MaxUnixSeconds {
			return nil, tokens.ParamError(tokens.InvalidArgument, "horizon", "want a time between the years 1970 and 2286")
		}
	}
	if r.GetClearHorizon() && (r.GetHorizon() != nil || r.GetForce()) {
		return nil, tokens.ParamError(tokens.InvalidArgument, "clear_horizon", "not together with horizon or force")
	}
	k, err := s.move(ctx, r.GetTargetId(), r.GetVersion(), func(record *keystore.Record, version int) error {
		switch {
		case r.GetClearHorizon():
			return record.ClearHorizon(version)
		case r.GetHorizon() != nil:
			return record.ScheduleCut(version, r.GetHorizon().AsTime(), r.GetForce(), s.now(), s.timing)
		default:
			return record.Retire(version, r.GetForce(), s.now(), s.timing)
		}
	})
	return &tokensvcv1.RetireKeyResponse{Key: k}, err
}

// DestroyKey implements KeyService.
func (s *keyService) DestroyKey(ctx context.Context, r *tokensvcv1.DestroyKeyRequest) (*tokensvcv1.DestroyKeyResponse, error) {
	k, err := s.move(ctx, r.GetTargetId(), r.GetVersion(), func(record *keystore.Record, version int) error {
		return record.Destroy(version, r.GetForce(), s.now())
	})
	return &tokensvcv1.DestroyKeyResponse{Key: k}, err
}

// move changes the state of one key and returns it.
func (s *keyService) move(ctx context.Context, target string, version int32, fn func(*keystore.Record, int) error) (*tokensvcv1.Key, error) {
	record, err := s.change(ctx, target, func(record *keystore.Record) error {
		if _, err := key(record, version); err != nil {
			return err
		}
		return fn(record, int(version))
	})
	if err != nil {
		return nil, err
	}
	k, err := key(&record, version)
	if err != nil {
		return nil, err
	}
	return keyProto(target, *k), nil
}

// change runs fn on a target under a lease and refreshes the keyring, so that the caller's next sign
// sees the change.
func (s *keyService) change(ctx context.Context, target string, fn func(*keystore.Record) error) (keystore.Record, error) {
	if _, err := s.get(ctx, target); err != nil {
		return keystore.Record{}, err
	}
	fence, err := s.lease(ctx, target)
	if err != nil {
		return keystore.Record{}, err
	}
	defer s.release(ctx, target, fence)
	record, err := s.store.Update(ctx, target, fence, fn)
	if err != nil {
		return record, err
	}
	s.refresh(ctx)
	return record, nil
}

// refresh lets the next sign see a change that has been committed. The change stands, also when the
// caller has left or the store does not answer now: the keyring then follows with its next poll.
func (s *keyService) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime)
	defer cancel()
	if err := s.keyring.Refresh(ctx); err != nil {
		s.log.WarnContext(ctx, "keyring not refreshed after a change", "error", err)
	}
}

// lease waits shortly for a change that is under way. Every request is a holder of its own.
func (s *keyService) lease(ctx context.Context, target string) (keystore.Fence, error) {
	return keystore.AwaitLease(ctx, s.store, target, s.holder+"/"+obs.RequestID(ctx), changeLease, leaseWait)
}

// release gives the lease back also when the caller has left; left alone it would run out by itself.
func (s *keyService) release(ctx context.Context, target string, fence keystore.Fence) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := s.store.Release(ctx, target, fence); err != nil {
		s.log.WarnContext(ctx, "lease not released; it runs out by itself", "target", target, "error", err)
	}
}

func encodingFromProto(e tokensvcv1.KeyEncoding) keyimport.Encoding {
	switch e {
	case tokensvcv1.KeyEncoding_KEY_ENCODING_TEXT:
		return keyimport.Text
	case tokensvcv1.KeyEncoding_KEY_ENCODING_HEX:
		return keyimport.Hex
	case tokensvcv1.KeyEncoding_KEY_ENCODING_BASE64:
		return keyimport.Base64
	case tokensvcv1.KeyEncoding_KEY_ENCODING_PEM:
		return keyimport.PEM
	case tokensvcv1.KeyEncoding_KEY_ENCODING_DER:
		return keyimport.DER
	case tokensvcv1.KeyEncoding_KEY_ENCODING_JWK:
		return keyimport.JWK
	case tokensvcv1.KeyEncoding_KEY_ENCODING_UNSPECIFIED:
		return keyimport.Auto
	default:
		return keyimport.Auto
	}
}
