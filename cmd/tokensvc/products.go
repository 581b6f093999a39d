package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

func newProducts(c *common) *cobra.Command {
	return group("products", "Products: named sets of playbacks, which grants can be for",
		newProductsCreate(c), newProductsGet(c), newProductsList(c), newProductsUpdate(c), newProductsDelete(c))
}

// productFlags are the settings that create and update share.
func productFlags(cmd *cobra.Command, p *tokensvcv1.Product) {
	cmd.Flags().StringVar(&p.Description, "description", "", "free text for people")
	cmd.Flags().StringArrayVar(&p.PlaybackIds, "playback", nil, "a playback of the product (repeatable)")
}

func newProductsCreate(c *common) *cobra.Command {
	var p tokensvcv1.Product
	cmd := &cobra.Command{
		Use: "create ID --playback PLAYBACK…", Short: "Add a product",
		Example: "  tokensvc products create season-2026 --playback semi-final --playback final",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Id = args[0]
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Product, error) {
				answer, err := api.grants.CreateProduct(ctx, &tokensvcv1.CreateProductRequest{Product: &p})
				return answer.GetProduct(), err
			}, printProduct)
		},
	}
	productFlags(cmd, &p)
	return cmd
}

func newProductsGet(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Short: "Show a product", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Product, error) {
				answer, err := api.grants.GetProduct(ctx, &tokensvcv1.GetProductRequest{Id: args[0]})
				return answer.GetProduct(), err
			}, printProduct)
		},
	}
}

func newProductsList(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List products", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.ListProductsResponse, error) {
				all := &tokensvcv1.ListProductsResponse{}
				return all, pages(func(token string) (string, error) {
					page, err := api.grants.ListProducts(ctx, &tokensvcv1.ListProductsRequest{PageToken: token})
					all.Products = append(all.Products, page.GetProducts()...)
					return page.GetNextPageToken(), err
				})
			}, func(w io.Writer, all *tokensvcv1.ListProductsResponse) error {
				rows := [][]string{{"PRODUCT", "PLAYBACKS", "DESCRIPTION"}}
				for _, p := range all.GetProducts() {
					rows = append(rows, []string{p.GetId(), strconv.Itoa(len(p.GetPlaybackIds())), p.GetDescription()})
				}
				return table(w, rows)
			})
		},
	}
}

func newProductsUpdate(c *common) *cobra.Command {
	var p tokensvcv1.Product
	cmd := &cobra.Command{
		Use: "update ID", Short: "Replace the description, the playbacks, or both", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("description") && !cmd.Flags().Changed("playback") {
				return usageError("name at least one setting to change; see --help")
			}
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.Product, error) {
				now, err := api.grants.GetProduct(ctx, &tokensvcv1.GetProductRequest{Id: args[0]})
				if err != nil {
					return nil, err
				}
				next := &tokensvcv1.Product{Id: args[0], Description: now.GetProduct().GetDescription(), PlaybackIds: now.GetProduct().GetPlaybackIds()}
				if cmd.Flags().Changed("description") {
					next.Description = p.GetDescription()
				}
				if cmd.Flags().Changed("playback") {
					next.PlaybackIds = p.GetPlaybackIds()
				}
				answer, err := api.grants.UpdateProduct(ctx, &tokensvcv1.UpdateProductRequest{Product: next})
				return answer.GetProduct(), err
			}, printProduct)
		},
	}
	productFlags(cmd, &p)
	return cmd
}

func newProductsDelete(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "Remove a product; its grants cover nothing from then on", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd, c, func(ctx context.Context, api client) (*tokensvcv1.DeleteProductResponse, error) {
				return api.grants.DeleteProduct(ctx, &tokensvcv1.DeleteProductRequest{Id: args[0]})
			}, func(w io.Writer, _ *tokensvcv1.DeleteProductResponse) error {
				_, err := fmt.Fprintf(w, "product %s deleted\n", args[0])
				return err
			})
		},
	}
}

func printProduct(w io.Writer, p *tokensvcv1.Product) error {
	return fields(w, "product", p.GetId(), "description", p.GetDescription(), "playbacks", strings.Join(p.GetPlaybackIds(), ", "),
		"created", instant(p.GetCreateTime()), "updated", instant(p.GetUpdateTime()))
}
