package config

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// Print writes every setting as "yaml" or "json". What it writes can be loaded again and gives the
// same configuration. Secrets are not among the settings; a master key from the environment shows as a
// redacted comment in YAML and not at all in JSON.
func (c Config) Print(w io.Writer, format string) error {
	root, err := describe()
	if err != nil {
		return err
	}
	settings := render(root, reflect.ValueOf(c))
	switch format {
	case "yaml":
		if c.MasterKey.Source() == FromEnvironment {
			if _, err := fmt.Fprintf(w, "# %s=%s\n", MasterKeyVariable, c.MasterKey.Environment); err != nil {
				return err
			}
		}
		e := yaml.NewEncoder(w)
		e.SetIndent(2)
		if err := e.Encode(settings); err != nil {
			return err
		}
		return e.Close()
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(settings)
	default:
		return fmt.Errorf("unknown format %q; write yaml or json", format)
	}
}
