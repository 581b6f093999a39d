package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/tokensvc/tokensvc/tokens"
)

// Names outside the tree of settings.
const (
	envPrefix = "TOKENSVC_"
	// ConfigFlag names the file to read. There is none by default.
	ConfigFlag = "config"
	// ConfigVariable names the file to read where the flag does not.
	ConfigVariable = "TOKENSVC_CONFIG"
	// ServerVariable is read by the commands that call a service; for it there is no setting.
	ServerVariable = "TOKENSVC_SERVER"
	// MasterKeyVariable holds master keys as ID:BASE64, separated by commas, the current one first.
	MasterKeyVariable = "TOKENSVC_MASTER_KEY"
)

// serviceLink matches the variables that Kubernetes sets for a Service whose name begins with
// tokensvc; they are not ours.
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// BindFlags adds the flag --config and one for each setting that makes sense on a command line, with
// the defaults of Defaults.
func BindFlags(flags *pflag.FlagSet) error {
	root, err := describe()
	if err != nil {
		return err
	}
	flags.String(ConfigFlag, "", "YAML file with the configuration")
	defaults := render(root, reflect.ValueOf(Defaults()))
	root.scalars(func(f *field) {
		name := f.flagName()
		if name == "" {
			return
		}
		switch v := defaults.at(f.path).(type) {
		case bool:
			flags.Bool(name, v, f.usage())
		case float64:
			flags.Float64(name, v, f.usage())
		default:
			flags.String(name, fmt.Sprint(v), f.usage())
		}
	})
	return nil
}

// Load reads the configuration: flags (nil for none) over environ (as os.Environ returns it) over the
// file that --config or TOKENSVC_CONFIG names, over Defaults. readFile is os.ReadFile or behaves like
// it. The error is an *Error that lists every fault.
//
// In the result master_key.file is the path in effect, or empty when the keys come from elsewhere.
func Load(flags *pflag.FlagSet, environ []string, readFile func(string) ([]byte, error)) (Config, []Warning, error) {
	root, err := describe()
	if err != nil {
		return Config{}, nil, err
	}
	l := &loader{root: root, tree: koanf.New("."), faults: faults{origin: make(map[string]string)}, credentialVariables: make(map[string]tokens.Secret)}
	for _, load := range []func() error{
		func() error { return l.file(flags, environ, readFile) },
		func() error { return l.environment(environ) },
		func() error { return l.flags(flags) },
	} {
		if err := load(); err != nil {
			return Config{}, nil, err
		}
	}
	c := Defaults()
	err = l.tree.UnmarshalWithConf("", &c, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		TagName: "koanf", ErrorUnused: true,
	}})
	if err != nil {
		return Config{}, nil, fmt.Errorf("configuration: %w", err)
	}
	c.MasterKey.Environment = l.masterKey
	l.takeVariables(c)
	found, warnings := c.check(root)
	l.faults.merge(found)
	if err := l.faults.err(); err != nil {
		return Config{}, nil, err
	}
	for i := range warnings {
		warnings[i].Where = l.faults.where(warnings[i].Key)
	}
	if c.MasterKey.Source() == FromFile && c.MasterKey.File == "" {
		c.MasterKey.File = filepath.Join(filepath.Dir(c.Store.Path), "master.key")
	}
	return c, warnings, nil
}

// loader puts the layers on top of each other.
type loader struct {
	root      *field
	tree      *koanf.Koanf
	faults    faults
	masterKey tokens.Secret
	// credentialVariables are the variables with secrets of accounts and web hooks, by name.
	credentialVariables map[string]tokens.Secret
}

// file loads the file that a flag or the environment names, if any.
func (l *loader) file(flags *pflag.FlagSet, environ []string, readFile func(string) ([]byte, error)) error {
	path, named := "", ""
	for _, kv := range environ {
		if k, v, _ := strings.Cut(kv, "="); k == ConfigVariable {
			path, named = v, ConfigVariable
		}
	}
	if flags != nil {
		if f := flags.Lookup(ConfigFlag); f != nil && f.Changed {
			path, named = f.Value.String(), "--"+ConfigFlag
		}
	}
	switch {
	case named == "":
		return nil
	case path == "":
		l.faults.add("", named, "is empty; name a file, or leave it out")
		return nil
	}
	text, err := readFile(path)
	if err != nil {
		l.faults.add("", named, "%s", err)
		return nil
	}
	r := &reader{name: path, root: l.root, faults: &l.faults}
	return l.tree.Load(r.read(text), nil)
}

// environment loads the variables that belong to settings.
func (l *loader) environment(environ []string) error {
	byName := make(map[string]*field)
	names := []string{ConfigVariable, ServerVariable, MasterKeyVariable}
	l.root.scalars(func(f *field) {
		byName[f.variable()] = f
		names = append(names, f.variable())
	})
	return l.tree.Load(env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, text string) (string, any) {
			f := byName[name]
			switch {
			case f != nil:
				return l.set(f, name, text)
			case name == MasterKeyVariable && text == "":
				l.faults.add("", name, "is set but empty; give it ID:BASE64, or unset it")
			case name == MasterKeyVariable:
				l.masterKey = tokens.NewSecret([]byte(text))
			case strings.HasPrefix(name, accountPrefix), strings.HasPrefix(name, webhookPrefix):
				l.credentialVariables[name] = tokens.NewSecret([]byte(text))
			case name == ConfigVariable, name == ServerVariable, serviceLink.MatchString(name):
			default:
				hint := ""
				if near := nearest(name, names); near != "" {
					hint = "; did you mean " + near + "?"
				}
				l.faults.add("", name, "unknown variable%s", hint)
			}
			return "", nil
		},
	}), nil)
}

// flags loads the flags that were given. Flags of others in the same set are left alone.
func (l *loader) flags(flags *pflag.FlagSet) error {
	if flags == nil {
		return nil
	}
	byName := make(map[string]*field)
	l.root.scalars(func(f *field) {
		if name := f.flagName(); name != "" {
			byName[name] = f
		}
	})
	return l.tree.Load(posflag.ProviderWithFlag(flags, ".", l.tree, func(given *pflag.Flag) (string, any) {
		if f := byName[given.Name]; f != nil && given.Changed {
			return l.set(f, "--"+given.Name, given.Value.String())
		}
		return "", nil
	}), nil)
}

// set returns the koanf key and the value of a setting given as text, or "" when it is at fault.
func (l *loader) set(f *field, where, text string) (string, any) {
	v, err := f.parse(text)
	if err != nil {
		l.faults.add(f.path, where, "%s", err)
		return "", nil
	}
	l.faults.origin[f.path] = where
	return f.path, v
}
