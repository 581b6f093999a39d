package server

import (
	"context"
	"errors"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// CreateProduct implements EntitlementService.
func (s *entitlementService) CreateProduct(ctx context.Context, r *tokensvcv1.CreateProductRequest) (*tokensvcv1.CreateProductResponse, error) {
	p, err := productFromProto(r.GetProduct())
	if err != nil {
		return nil, err
	}
	stored, err := s.grants.CreateProduct(ctx, p)
	if err != nil {
		return nil, existsAs(s.missingPlayback(err, &p), "product %q exists already; update it instead", p.ID)
	}
	return &tokensvcv1.CreateProductResponse{Product: productProto(&stored)}, nil
}

// GetProduct implements EntitlementService.
func (s *entitlementService) GetProduct(ctx context.Context, r *tokensvcv1.GetProductRequest) (*tokensvcv1.GetProductResponse, error) {
	p, err := s.grants.Product(ctx, r.GetId())
	if err != nil {
		return nil, missingProduct(err, r.GetId())
	}
	return &tokensvcv1.GetProductResponse{Product: productProto(&p)}, nil
}

func missingProduct(err error, id string) error {
	if errors.Is(err, keystore.ErrNotFound) {
		return refuse(tokens.NotFound, "product %q does not exist; `tokensvc products list` shows them", id)
	}
	return err
}

// missingPlayback names the playback of a product that does not exist, where it is that what was not found.
func (s *entitlementService) missingPlayback(err error, p *entitle.Product) error {
	if errors.Is(err, keystore.ErrNotFound) {
		for _, id := range p.PlaybackIDs {
			if s.catalogue.Get(id) == nil {
				return missing(err, id)
			}
		}
	}
	return err
}

// ListProducts implements EntitlementService.
func (s *entitlementService) ListProducts(ctx context.Context, r *tokensvcv1.ListProductsRequest) (*tokensvcv1.ListProductsResponse, error) {
	page, err := pageOf(r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	all, err := s.grants.Products(ctx, page)
	if err != nil {
		return nil, err
	}
	all, next := cut(all, page, func(p entitle.Product) string { return p.ID })
	out := &tokensvcv1.ListProductsResponse{NextPageToken: next}
	for i := range all {
		out.Products = append(out.Products, productProto(&all[i]))
	}
	return out, nil
}

// UpdateProduct implements EntitlementService.
func (s *entitlementService) UpdateProduct(ctx context.Context, r *tokensvcv1.UpdateProductRequest) (*tokensvcv1.UpdateProductResponse, error) {
	p, err := productFromProto(r.GetProduct())
	if err != nil {
		return nil, err
	}
	stored, err := s.grants.UpdateProduct(ctx, p)
	if err != nil {
		return nil, missingProduct(s.missingPlayback(err, &p), p.ID)
	}
	return &tokensvcv1.UpdateProductResponse{Product: productProto(&stored)}, nil
}

// DeleteProduct implements EntitlementService.
func (s *entitlementService) DeleteProduct(ctx context.Context, r *tokensvcv1.DeleteProductRequest) (*tokensvcv1.DeleteProductResponse, error) {
	if err := s.grants.DeleteProduct(ctx, r.GetId()); err != nil {
		return nil, missingProduct(err, r.GetId())
	}
	return &tokensvcv1.DeleteProductResponse{}, nil
}
