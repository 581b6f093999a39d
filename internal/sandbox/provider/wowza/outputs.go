package wowza

import (
	"encoding/json"
	"net/http"
	"slices"
)

// attachment is a target at an output of a transcoder.
type attachment struct {
	id, target string
	backup     bool
}

func without(list []attachment, id string) []attachment {
	return slices.DeleteFunc(slices.Clone(list), func(a attachment) bool { return a.id == id || a.target == id })
}

func (a attachment) view() object {
	return object{"id": a.id, "stream_target_id": a.target, "use_stream_target_backup_url": a.backup}
}

func views(list []attachment) []object {
	shown := []object{}
	for _, a := range list {
		shown = append(shown, a.view())
	}
	return shown
}

// place returns the key of an output in s.attached, or that there is no such output.
func (s *Server) place(req request) (string, *refusal) {
	transcoder, output := req.args[0], req.args[1]
	if !slices.Contains(s.cfg.Transcoders[transcoder], output) {
		return "", notFound()
	}
	return transcoder + "/" + output, nil
}

func (s *Server) outputs(req request) (int, any, *refusal) {
	transcoder := req.args[0]
	ids, found := s.cfg.Transcoders[transcoder]
	if !found {
		return 0, nil, notFound()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := []object{}
	for _, id := range ids {
		shown = append(shown, object{"id": id, "output_stream_targets": views(s.attached[transcoder+"/"+id])})
	}
	return http.StatusOK, object{"outputs": shown}, nil
}

func (s *Server) listAttached(req request) (int, any, *refusal) {
	place, fault := s.place(req)
	if fault != nil {
		return 0, nil, fault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return http.StatusOK, object{"output_stream_targets": views(s.attached[place])}, nil
}

func (s *Server) attach(req request) (int, any, *refusal) {
	place, fault := s.place(req)
	if fault != nil {
		return 0, nil, fault
	}
	var body struct {
		Root *struct {
			Target string `json:"stream_target_id"`
			Backup bool   `json:"use_stream_target_backup_url"`
		} `json:"output_stream_target"`
	}
	if json.Unmarshal(req.body, &body) != nil || body.Root == nil {
		return 0, nil, invalid("The root object is missing.")
	}
	s.mu.Lock()
	t, fault := s.find(body.Root.Target)
	s.mu.Unlock()
	if fault != nil {
		return 0, nil, invalid("The stream target couldn't be found.")
	}
	made := attachment{id: randomHex(4), target: t.id, backup: body.Root.Backup}
	s.change(req, "target attached", func() { s.attached[place] = append(s.attached[place], made) })
	return http.StatusCreated, object{"output_stream_target": made.view()}, nil
}

func (s *Server) detach(req request) (int, any, *refusal) {
	place, fault := s.place(req)
	if fault != nil {
		return 0, nil, fault
	}
	id := req.args[2]
	s.mu.Lock()
	isThere := slices.ContainsFunc(s.attached[place], func(a attachment) bool { return a.id == id || a.target == id })
	s.mu.Unlock()
	if !isThere {
		return 0, nil, notFound()
	}
	s.change(req, "target detached", func() { s.attached[place] = without(s.attached[place], id) })
	return http.StatusNoContent, nil, nil
}
