package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageOnBadArgs gives wrong numbers of arguments and unknown sub-commands the exit code of usage.
func usageOnBadArgs(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		switch {
		case err == nil:
			return nil
		case !cmd.HasSubCommands():
			return usageError("%w\nusage: %s", err, cmd.UseLine())
		default:
			return unknownCommand(cmd, args[0])
		}
	}
	for _, sub := range cmd.Commands() {
		usageOnBadArgs(sub)
	}
}

// unknownCommand names the sub-command that may have been meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return usageError("unknown command %q; did you mean `%s %s`?", name, cmd.CommandPath(), near[0])
	}
	return usageError("unknown command %q; `%s --help` lists them", name, cmd.CommandPath())
}

// flagError says what a flag takes in place of how its text failed to parse.
func flagError(cmd *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		if want := flagWants(invalid.GetFlag().Value.Type()); want != "" {
			return usageError("--%s %q is not %s", invalid.GetFlag().Name, invalid.GetValue(), want)
		}
	}
	if _, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return usageError("%w; `%s --help` lists them", err, cmd.CommandPath())
	}
	return usageError("%w\nusage: %s", err, cmd.UseLine())
}

// flagWants says what a flag of a type of package pflag takes; "" where the parser's own words will do.
func flagWants(kind string) string {
	switch kind {
	case "duration":
		return "a duration like 90s, 10m or 24h"
	case "int", "int32", "int64":
		return "a whole number, or too large"
	case "bool":
		return "true or false"
	case "stringToString":
		return "NAME=VALUE"
	default:
		return ""
	}
}
