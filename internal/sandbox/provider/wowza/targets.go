package wowza

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	stateActivated = "activated"
	stateArchived  = "archived"
)

// settings are the fields that can be written. nil fields are left out of answers.
type settings struct {
	Name                *string  `json:"name,omitempty"`
	TokenAuthEnabled    bool     `json:"token_auth_enabled"`
	Secret              *string  `json:"token_auth_shared_secret,omitempty"`
	PlaylistOnly        bool     `json:"token_auth_playlist_only"`
	ForceSSL            bool     `json:"force_ssl_playback"`
	GeoblockEnabled     bool     `json:"geoblock_enabled"`
	GeoblockByLocation  *string  `json:"geoblock_by_location,omitempty"`
	GeoblockCountries   *string  `json:"geoblock_country_codes,omitempty"`
	GeoblockIPOverride  *string  `json:"geoblock_ip_override,omitempty"`
	GeoblockIPAddresses *string  `json:"geoblock_ip_addresses,omitempty"`
	RefererEnabled      bool     `json:"referer_enabled"`
	RefererAllowEmpty   *bool    `json:"referer_allow_empty,omitempty"`
	RefererPolicy       *string  `json:"referer_policy,omitempty"`
	RefererDomains      *string  `json:"referer_domains,omitempty"`
	DeliveryProtocols   []string `json:"delivery_protocols,omitempty"`
}

type target struct {
	settings

	id, streamID, streamName, state string
	made, updated                   time.Time
	deleted                         bool
	history                         []change
}

// view is a target in an answer.
type view struct {
	settings

	ID           string `json:"id"`
	State        string `json:"state"`
	StreamName   string `json:"stream_name"`
	PlaybackURL  string `json:"playback_url,omitempty"`
	PlaybackURLs any    `json:"playback_urls,omitempty"`
	CreatedAt    string `json:"created_at"`
	UpdatedAt    string `json:"updated_at"`
}

func (s *Server) show(t *target, v version, showSecret bool) object {
	shown := view{
		settings: t.settings, ID: t.id, State: t.state, StreamName: t.streamName,
		CreatedAt: stamp(t.made), UpdatedAt: stamp(t.updated),
	}
	if !t.TokenAuthEnabled || !showSecret {
		shown.Secret = nil
	}
	url := s.playbackURL(t)
	if v.major == 1 && v.minor <= 6 {
		shown.PlaybackURL = url
	} else {
		shown.PlaybackURLs = object{"hls": []object{{"name": "default", "url": url}}}
	}
	return object{"stream_target_" + v.kind(): shown}
}

func (s *Server) playbackURL(t *target) string {
	return s.cfg.PlaybackBase + "/1/" + t.streamID + "/" + t.streamName + "/hls/live/playlist.m3u8"
}

// find returns a target that is there. The caller holds the lock.
func (s *Server) find(id string) (*target, *refusal) {
	for _, t := range s.targets {
		if t.id == id {
			if t.deleted {
				return nil, refuse(http.StatusGone, "RecordDeleted", "The requested resource has been deleted.")
			}
			return t, nil
		}
	}
	return nil, notFound()
}

func (s *Server) get(req request) (int, any, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, fault := s.find(req.args[0])
	if fault != nil {
		return 0, nil, fault
	}
	return http.StatusOK, s.show(t, req.version, true), nil
}

func (s *Server) list(req request) (int, any, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []object
	for _, t := range s.targets {
		if !t.deleted {
			all = append(all, object{"id": t.id, "name": t.Name, "created_at": stamp(t.made), "updated_at": stamp(t.updated)})
		}
	}
	page, perPage := positive(req.URL.Query().Get("page"), 1), positive(req.URL.Query().Get("per_page"), maxPerPage)
	perPage = min(perPage, maxPerPage)
	pages := (len(all) + perPage - 1) / perPage
	first := min((min(page, pages+1)-1)*perPage, len(all))
	last := min(first+perPage, len(all))
	body := object{"stream_targets_" + req.version.kind(): append([]object{}, all[first:last]...)}
	if !s.quirks.NoPagination {
		body["pagination"] = object{
			"payload_version": "1.0", "total_records": len(all), "page": page, "per_page": perPage,
			"total_pages": pages, "page_first_index": first, "page_last_index": last,
		}
	}
	return http.StatusOK, body, nil
}

func positive(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// merge returns settings with the changes of a request body, or why that cannot be.
func merge(old settings, req request, quirks Quirks) (settings, *refusal) {
	merged := old.clone()
	var root map[string]json.RawMessage
	if json.Unmarshal(req.body, &root) != nil || root["stream_target_"+req.version.kind()] == nil {
		return settings{}, invalid("The root object is missing.")
	}
	if err := json.Unmarshal(root["stream_target_"+req.version.kind()], &merged); err != nil {
		return settings{}, invalid("A field has the wrong type.")
	}
	if fault := merged.check(quirks); fault != nil {
		return settings{}, fault
	}
	if quirks.UpperCase && merged.Secret != nil {
		upper := strings.ToUpper(*merged.Secret)
		merged.Secret = &upper
	}
	if merged.TokenAuthEnabled && merged.Secret == nil {
		made := randomHex(16)
		merged.Secret = &made
	}
	if !merged.RefererEnabled {
		merged.RefererAllowEmpty, merged.RefererPolicy, merged.RefererDomains = nil, nil, nil
	}
	return merged, nil
}

// clone copies what pointers point to as well: decoding into the copy must not reach the original.
func (s settings) clone() settings {
	for _, p := range []**string{
		&s.Name, &s.Secret, &s.GeoblockByLocation, &s.GeoblockCountries, &s.GeoblockIPOverride, &s.GeoblockIPAddresses,
		&s.RefererPolicy, &s.RefererDomains,
	} {
		if *p != nil {
			text := **p
			*p = &text
		}
	}
	if s.RefererAllowEmpty != nil {
		allow := *s.RefererAllowEmpty
		s.RefererAllowEmpty = &allow
	}
	s.DeliveryProtocols = slices.Clone(s.DeliveryProtocols)
	return s
}

func (s settings) check(q Quirks) *refusal {
	if s.Name == nil || *s.Name == "" || len([]rune(*s.Name)) > 255 {
		return invalid("Name can't be blank, and has at most 255 characters.")
	}
	if s.Secret != nil {
		raw, err := hex.DecodeString(*s.Secret)
		if err != nil || len(raw) == 0 || len(raw) > 16 {
			return invalid("Token auth shared secret must be hexadecimal, of an even number of characters up to 32.")
		}
	}
	budget := q.MetadataBudget
	if budget == 0 {
		budget = defaultBudget
	}
	size := 0
	for _, text := range []*string{s.Secret, s.GeoblockCountries, s.GeoblockIPAddresses, s.RefererDomains, s.GeoblockByLocation, s.GeoblockIPOverride, s.RefererPolicy} {
		if text != nil {
			size += len(*text)
		}
	}
	if size > budget {
		return invalid("Invalid Record (Geoblock IP addresses)")
	}
	return nil
}

func (s *Server) create(req request) (int, any, *refusal) {
	merged, fault := merge(settings{DeliveryProtocols: []string{"hls"}}, req, s.quirksNow())
	if fault != nil {
		return 0, nil, fault
	}
	now := s.cfg.clock()
	if s.overQuota(now) {
		return 0, nil, refuse(http.StatusConflict, "StreamTargetLimitReached", "The limit is reached.")
	}
	t := newTarget(merged, now, s.cfg.Now())
	var shown object
	s.change(req, "target made", func() {
		s.targets = append(s.targets, t)
		s.made = append(s.made, now)
		shown = s.show(t, req.version, true)
	})
	return http.StatusCreated, shown, nil
}

func (s *Server) overQuota(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	recent := 0
	for _, at := range s.made {
		if now.Sub(at) < quotaWindow {
			recent++
		}
	}
	return s.quirks.CreateQuota > 0 && recent >= s.quirks.CreateQuota
}

func newTarget(with settings, now, edgeNow time.Time) *target {
	return &target{
		settings: with, id: randomHex(4), streamID: randomHex(12), streamName: "stream" + randomHex(4),
		state: stateActivated, made: now, updated: now,
		history: []change{{at: edgeNow, enabled: with.TokenAuthEnabled, secret: with.Secret}},
	}
}

// set takes over settings, now for the API and from edgeNow on, and a while later, for the edges.
func (t *target) set(with settings, now, edgeNow time.Time) {
	t.settings, t.updated = with, now
	last := t.history[len(t.history)-1]
	if last.enabled != with.TokenAuthEnabled || deref(last.secret) != deref(with.Secret) {
		t.history = append(t.history, change{at: edgeNow, enabled: with.TokenAuthEnabled, secret: with.Secret})
	}
}

func (s *Server) patch(req request) (int, any, *refusal) {
	t, fault := s.changeable(req)
	if fault != nil {
		return 0, nil, fault
	}
	var shown object
	s.change(req, "target changed", func() {
		var merged settings
		if merged, fault = merge(t.settings, req, s.quirks); fault == nil {
			t.set(merged, s.cfg.clock(), s.cfg.Now())
			shown = s.show(t, req.version, !s.quirks.NoEcho)
		}
	})
	return http.StatusOK, shown, fault
}

// changeable returns the target of a PATCH that will be accepted, so that observers hear of no other.
func (s *Server) changeable(req request) (*target, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, fault := s.find(req.args[0])
	if fault != nil {
		return nil, fault
	}
	if t.state == stateArchived {
		return nil, refuse(http.StatusUnprocessableEntity, "InvalidStateChange", "The target is archived.")
	}
	_, fault = merge(t.settings, req, s.quirks)
	return t, fault
}

func (s *Server) remove(req request) (int, any, *refusal) {
	s.mu.Lock()
	t, fault := s.find(req.args[0])
	s.mu.Unlock()
	if fault != nil {
		return 0, nil, fault
	}
	s.change(req, "target deleted", func() {
		t.deleted = true
		for place, list := range s.attached {
			s.attached[place] = without(list, t.id)
		}
	})
	return http.StatusNoContent, nil, nil
}
