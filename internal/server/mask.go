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
	return []string{"url", "description", "hdnts", "edge_auth", "qencode", "agora", "ttl", "expiry_granularity", "ip_binding"}
}

func targetMutable() []string {
	return []string{"account", "description", "max_token_lifetime", "edge_auth", "agora"}
}

// applyMask copies the masked fields of src into dst; without a mask, all mutable ones. A path may
// reach into a message. Fields that cannot change are refused by name, except id, which named the
// object.
func applyMask(dst, src proto.Message, mask *fieldmaskpb.FieldMask, mutable []string) error {
	paths := mask.GetPaths()
	if len(paths) == 0 {
		paths = mutable
	}
	for _, path := range paths {
		if path == "id" {
			continue
		}
		first, _, _ := strings.Cut(path, ".")
		if !slices.Contains(mutable, first) {
			return tokens.ParamError(tokens.InvalidArgument, "update_mask", "%q cannot be changed; these can: %s", path, strings.Join(mutable, ", "))
		}
		if !copyField(dst.ProtoReflect(), src.ProtoReflect(), strings.Split(path, ".")) {
			return tokens.ParamError(tokens.InvalidArgument, "update_mask", "there is no field %q", path)
		}
	}
	return nil
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
		return true
	}
	// Without a mask an absent member of the binding must not clear the one that is set.
	if field.ContainingOneof() == nil || dst.Has(field) && src.WhichOneof(field.ContainingOneof()) != nil {
		dst.Clear(field)
	}
	return true
}
