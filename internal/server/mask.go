package server

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/tokensvc/tokensvc/tokens"
)

func playbackMutable() []string {
	return []string{"url", "alternate", "description", "hdnts", "edge_auth", "qencode", "agora", "ttl", "expiry_granularity", "ip_binding", "access", "sessions"}
}

func targetMutable() []string {
	return []string{"account", "description", "max_token_lifetime", "edge_auth", "agora", "resources", "rotation"}
}

// outputOnly lists what the service sets; a caller who sends it back is not taken at his word.
func outputOnly() []string { return []string{"managed", "create_time", "update_time"} }

// applyMask copies the masked fields of src into dst; without a mask, those that src holds, as the
// gateway reads a JSON body. A path may reach into a message. Fields that cannot change are refused by
// name, unless they say what stands there already, so that what was read can be written back.
func applyMask(dst, src proto.Message, mask *fieldmaskpb.FieldMask, mutable []string) error {
	paths := slices.DeleteFunc(slices.Clone(mask.GetPaths()), func(p string) bool { return p == "" }) // the gateway's for {}
	if len(paths) == 0 {
		paths = populated(nil, "", src.ProtoReflect())
	}
	for _, path := range paths {
		first, _, _ := strings.Cut(path, ".")
		if slices.Contains(outputOnly(), first) {
			continue
		}
		if !slices.Contains(mutable, first) {
			if equalField(dst.ProtoReflect(), src.ProtoReflect(), first) {
				continue
			}
			return tokens.ParamError(tokens.InvalidArgument, "update_mask", "%q cannot be changed; these can: %s", path, strings.Join(mutable, ", "))
		}
		if !copyField(dst.ProtoReflect(), src.ProtoReflect(), strings.Split(path, ".")) {
			return tokens.ParamError(tokens.InvalidArgument, "update_mask", "there is no field %q", path)
		}
	}
	return nil
}

// populated appends the paths of the fields that m holds. It goes into messages of this API, and takes
// lists, maps and well-known types as a whole.
func populated(paths []string, prefix string, m protoreflect.Message) []string {
	for i := range m.Descriptor().Fields().Len() {
		field := m.Descriptor().Fields().Get(i)
		if !m.Has(field) {
			continue
		}
		path := prefix + string(field.Name())
		if field.Message() != nil && !field.IsList() && !field.IsMap() && field.Message().ParentFile().Package() == m.Descriptor().ParentFile().Package() {
			if inner := populated(nil, path+".", m.Get(field).Message()); len(inner) > 0 {
				paths = append(paths, inner...)
				continue
			}
		}
		paths = append(paths, path)
	}
	return paths
}

// equalField reports whether both messages have a field of the name, with the same value.
func equalField(a, b protoreflect.Message, name string) bool {
	field := a.Descriptor().Fields().ByName(protoreflect.Name(name))
	return field != nil && a.Get(field).Equal(b.Get(field))
}

func copyField(dst, src protoreflect.Message, path []string) bool {
	field := dst.Descriptor().Fields().ByName(protoreflect.Name(path[0]))
	if field == nil {
		return false
	}
	if len(path) > 1 {
		if field.Kind() != protoreflect.MessageKind || field.IsList() || field.IsMap() {
			return false
		}
		return copyField(dst.Mutable(field).Message(), src.Get(field).Message(), path[1:])
	}
	if src.Has(field) {
		dst.Set(field, src.Get(field))
	} else {
		dst.Clear(field)
	}
	return true
}
