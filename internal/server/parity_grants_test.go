package server_test

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	pb "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

func (d *drawer) viewer() string {
	if d.rarely("odd viewer") {
		return d.pick("viewer", "", "a\x00", "böb 🎬", strings.Repeat("v", 257), "%2F")
	}
	return d.pick("viewer", "ada", "bob")
}

func (d *drawer) product() string {
	if d.rarely("odd product") {
		return d.pick("product", "nobody", "a b", "-x", "é", strings.Repeat("p", 129))
	}
	return d.pick("product", "season", "pass")
}

func (d *drawer) moment(name string) *timestamppb.Timestamp {
	if rapid.Bool().Draw(d.T, name+" absent") {
		return nil
	}
	return &timestamppb.Timestamp{
		Seconds: rapid.SampledFrom([]int64{1_772_366_400, 1_772_366_400, 1_772_370_000, 1_772_452_800, 1_900_000_000, 1_000_000_000, -1, 253_402_300_799}).Draw(d.T, name),
		Nanos:   rapid.SampledFrom([]int32{0, 0, 0, 1, 999_999_999}).Draw(d.T, name+" nanos"),
	}
}

func (d *drawer) createGrant() *pb.CreateGrantRequest {
	if d.rarely("no grant") {
		return &pb.CreateGrantRequest{}
	}
	g := &pb.Grant{Viewer: d.viewer(), StartTime: d.moment("start"), EndTime: d.moment("end"), OrderId: d.pick("order", "", "o1", "o2", "o\n")}
	switch rapid.IntRange(0, 9).Draw(d.T, "subject") {
	case 0:
	case 1, 2, 3:
		g.Subject = &pb.Grant_ProductId{ProductId: d.product()}
	default:
		g.Subject = &pb.Grant_PlaybackId{PlaybackId: d.playback()}
	}
	if rapid.Bool().Draw(d.T, "limits") {
		g.Limits = &pb.GrantLimits{
			MaxPlays:  rapid.SampledFrom([]int32{0, 1, 1_000_000, 1_000_001, -1}).Draw(d.T, "plays"),
			Countries: rapid.SampledFrom([][]string{nil, {"AT"}, {"DE", "AT"}, {"AT", "AT"}, {"UK"}, {"at"}}).Draw(d.T, "countries"),
			Networks:  rapid.SampledFrom([][]string{nil, {"192.0.2.0/24"}, {"192.0.2.7", "2001:db8::/32"}, {"192.0.2.7/24"}, {"x"}}).Draw(d.T, "networks"),
		}
	}
	return &pb.CreateGrantRequest{Grant: g, IdempotencyKey: d.pick("key", "", "", "k1", "k2", "k3", strings.Repeat("k", 129))}
}

func (d *drawer) grantID() string {
	if len(d.ids) == 0 || d.rarely("odd grant") {
		return d.pick("grant", "nobody", "019cc2a0-0000-7000-8000-000000000000", "a%2Fb", strings.Repeat("0", 65))
	}
	return rapid.SampledFrom(d.ids).Draw(d.T, "grant")
}

func (d *drawer) ofGrants() proto.Message {
	switch d.turn("of grants", 4) {
	case 0:
		return &pb.GetGrantRequest{Id: d.grantID()}
	case 1:
		return &pb.ListGrantsRequest{
			Viewer: d.pick("viewer", "", "", "ada", "bob"), PlaybackId: d.pick("playback", "", "", "", "wowza"), ProductId: d.pick("product", "", "", "season"),
			OrderId: d.pick("order", "", "", "o1"), State: pb.GrantState(rapid.SampledFrom([]int32{0, 0, 1, 2}).Draw(d.T, "state")),
			PageSize: d.pageSize(), PageToken: d.pick("page", "", "", "", "d293emE", "!!"),
		}
	case 2:
		return &pb.RevokeGrantRequest{Id: d.grantID(), Reason: d.text("reason")}
	default:
		r := &pb.CheckEntitlementRequest{PlaybackId: d.playback(), Viewer: d.viewer()}
		if rapid.Bool().Draw(d.T, "viewing") {
			r.Viewing = &pb.Viewing{ClientIp: d.address(), Device: d.pick("device", "", "tv", "a\x00"), Country: d.pick("country", "", "AT", "at")}
		}
		return r
	}
}

func (d *drawer) ofProducts() proto.Message {
	product := func() *pb.Product {
		p := &pb.Product{Id: d.product(), PlaybackIds: rapid.SampledFrom([][]string{nil, {"wowza"}, {"qencode", "akamai"}, {"wowza", "wowza"}, {"nobody"}}).Draw(d.T, "playbacks")}
		if d.rarely("description") {
			p.Description = d.text("description")
		}
		return p
	}
	switch d.turn("of products", 7) {
	case 0, 1:
		return &pb.CreateProductRequest{Product: product()}
	case 2:
		return &pb.GetProductRequest{Id: d.product()}
	case 3:
		return &pb.ListProductsRequest{PageSize: d.pageSize(), PageToken: d.pick("page", "", "", "cGFzcw", "!!")}
	case 4, 5:
		return &pb.UpdateProductRequest{Product: product()}
	default:
		return &pb.DeleteProductRequest{Id: d.product()}
	}
}
