package main

import (
	"github.com/spf13/cobra"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// viewingFlags are the flags for where a viewer watches from and on what.
type viewingFlags struct {
	address, device, country string
	attributes               map[string]string
}

func (v *viewingFlags) add(cmd *cobra.Command, device string) {
	flags := cmd.Flags()
	flags.StringVar(&v.address, "client-ip", "", "the viewer's address, where the playback binds to it or a grant asks for it")
	flags.StringVar(&v.device, "device", "", device)
	flags.StringVar(&v.country, "country", "", "where the viewer is, as ISO 3166-1 alpha-2")
	flags.StringToStringVar(&v.attributes, "attribute", nil, "a further fact NAME=VALUE, for expressions and web hooks (repeatable)")
}

// message returns nil where nothing was said.
func (v *viewingFlags) message() *tokensvcv1.Viewing {
	if v.address == "" && v.device == "" && v.country == "" && len(v.attributes) == 0 {
		return nil
	}
	return &tokensvcv1.Viewing{ClientIp: v.address, Device: v.device, Country: v.country, Attributes: v.attributes}
}
