package expression

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"

	"github.com/tokensvc/tokensvc/tokens"
)

// Bounds of an expression.
const (
	// maxSize is its length in characters.
	maxSize = 4096
	// maxNodes is how many operations, names and literals it may have.
	maxNodes = 1024
	// maxNesting is how deep they may stand in each other.
	maxNesting = 64
	// maxLoops is how deep exists, all, map and filter may stand in each other.
	maxLoops = 2
	// maxRegex is the size of a compiled regular expression.
	maxRegex = 1000
	// maxCost bounds the work of one run, in steps of the interpreter: a few milliseconds.
	maxCost = 100_000
	// checkEvery is after how many turns of a loop the deadline is looked at.
	checkEvery = 64
)

// Names of variables.
const (
	varViewer     = "viewer.id"
	varPlayback   = "playback.id"
	varTarget     = "playback.target_id"
	varClientIP   = "request.client_ip"
	varDevice     = "request.device"
	varCountry    = "request.country"
	varAttributes = "request.attributes"
	varGrants     = "grants"
	varNow        = "now"

	variables = varViewer + ", " + varPlayback + ", " + varTarget + ", " + varClientIP + ", " + varDevice + ", " + varCountry + ", " + varAttributes + ", " + varGrants + " and " + varNow
)

// Grant is a grant that counts now, as expressions see it.
type Grant struct {
	ID        string    `cel:"id"`
	OrderID   string    `cel:"order_id"`
	ProductID string    `cel:"product_id"`
	Start     time.Time `cel:"start_time"`
	// End is zero where the grant never ends; has(grant.end_time) is false then.
	End time.Time `cel:"end_time"`
}

// Input holds the values of the variables.
type Input struct {
	Viewer     string
	PlaybackID string
	TargetID   string
	ClientIP   string
	Device     string
	Country    string
	Attributes map[string]string
	Grants     []Grant
	Now        time.Time
}

// Compiler compiles expressions. It is safe for concurrent use.
type Compiler struct {
	env *cel.Env
}

// NewCompiler returns a compiler with the variables declared.
func NewCompiler() (*Compiler, error) {
	env, err := cel.NewEnv(
		ext.NativeTypes(reflect.TypeFor[Grant](), ext.ParseStructTags(true)),
		cel.Variable(varViewer, cel.StringType),
		cel.Variable(varPlayback, cel.StringType),
		cel.Variable(varTarget, cel.StringType),
		cel.Variable(varClientIP, cel.StringType),
		cel.Variable(varDevice, cel.StringType),
		cel.Variable(varCountry, cel.StringType),
		cel.Variable(varAttributes, cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable(varGrants, cel.ListType(cel.ObjectType("expression.Grant"))),
		cel.Variable(varNow, cel.TimestampType),
		cel.ParserExpressionSizeLimit(maxSize),
		cel.ParserRecursionLimit(maxNesting),
		cel.ExpressionNodeLimit(maxNodes),
		cel.ExpressionNestingDepthLimit(maxNesting),
		cel.RegexProgramSizeLimit(maxRegex),
		cel.DefaultUTCTimeZone(true),
		cel.ASTValidators(
			cel.ValidateComprehensionNestingLimit(maxLoops), cel.ValidateRegexLiterals(), cel.ValidateRegexProgramSizeLimit(maxRegex),
			cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateHomogeneousAggregateLiterals(),
		),
	)
	if err != nil {
		return nil, fmt.Errorf("declare the variables of expressions: %w", err)
	}
	return &Compiler{env: env}, nil
}

// Program is a compiled expression. It is immutable and safe for concurrent use.
type Program struct {
	program    cel.Program
	usesGrants bool
}

// Compile checks and compiles an expression. The error wraps tokens.ErrInvalidParams and begins with the
// position, as line:column counted from 1.
func (c *Compiler) Compile(text string) (*Program, error) {
	checked, issues := c.env.Compile(text)
	if issues.Err() != nil {
		return nil, fault(issues.Errors())
	}
	if out := checked.OutputType(); !out.IsExactType(types.BoolType) {
		return nil, tokens.ParamError(tokens.InvalidArgument, "expression", "1:1: has a value of type %s; want a condition, which is true or false", out)
	}
	cost, err := c.env.EstimateCost(checked, sizes{})
	if err != nil {
		return nil, tokens.ParamError(tokens.InvalidArgument, "expression", "1:1: its cost cannot be told: %v", err)
	}
	if cost.Max > maxCost {
		return nil, tokens.ParamError(tokens.InvalidArgument, "expression", "1:1: may cost %d steps; at most %d are allowed. Loops within loops and long texts cost most", cost.Max, maxCost)
	}
	program, err := c.env.Program(checked,
		cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost), cel.InterruptCheckFrequency(checkEvery))
	if err != nil {
		return nil, tokens.ParamError(tokens.InvalidArgument, "expression", "1:1: %v", err)
	}
	return &Program{program: program, usesGrants: uses(checked, varGrants)}, nil
}

// uses reports whether the expression names a variable.
func uses(checked *cel.Ast, name string) bool {
	for _, ref := range checked.NativeRep().ReferenceMap() {
		if ref.Name == name {
			return true
		}
	}
	return false
}

// UsesGrants reports whether the expression looks at grants; without, none need to be read.
func (p *Program) UsesGrants() bool { return p.usesGrants }

// Eval runs the expression. A run that fails by what it was given, such as an attribute that is not there, denies,
// and detail says why: the same question fails the same way. An error means that the run was cut off, by
// its cost or by ctx, and that nobody knows.
func (p *Program) Eval(ctx context.Context, in *Input) (allowed bool, detail string, err error) {
	attributes := in.Attributes
	if attributes == nil {
		attributes = map[string]string{}
	}
	grants := in.Grants
	if grants == nil {
		grants = []Grant{}
	}
	if err := ctx.Err(); err != nil {
		return false, "", err
	}
	value, _, err := p.program.ContextEval(ctx, map[string]any{
		varViewer: in.Viewer, varPlayback: in.PlaybackID, varTarget: in.TargetID, varClientIP: in.ClientIP, varDevice: in.Device,
		varCountry: in.Country, varAttributes: attributes, varGrants: grants, varNow: in.Now,
	})
	if cut, ok := errors.AsType[interpreter.EvalCancelledError](err); ok {
		return false, "", fmt.Errorf("the expression was cut off: %w", cut)
	}
	switch {
	case ctx.Err() != nil:
		return false, "", ctx.Err()
	case err != nil:
		return false, "the expression has no value: " + tokens.Clip(err.Error()), nil
	case value == types.True:
		return true, "the expression is true", nil
	case value == types.False:
		return false, "the expression is false", nil
	default:
		return false, "", fmt.Errorf("the expression gave a %s", value.Type())
	}
}

// fault turns the first finding of the compiler into an error that says where it stands.
func fault(found []*common.Error) error {
	if len(found) == 0 {
		return tokens.ParamError(tokens.InvalidArgument, "expression", "1:1: cannot be read")
	}
	first := found[0]
	line, column, more := 1, 1, ""
	if at := first.Location; at != nil && at.Line() > 0 {
		line, column = at.Line(), max(at.Column()+1, 1)
	}
	if len(found) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(found)-1)
	}
	message, _, _ := strings.Cut(first.Message, "\n")
	message, _, undeclared := strings.Cut(message, " (in container")
	if len(message) > 256 {
		message = message[:256] + "…"
	}
	if undeclared {
		message += "; the variables are " + variables
	}
	return tokens.ParamError(tokens.InvalidArgument, "expression", "%d:%d: %s%s", line, column, strings.ToValidUTF8(message, "\uFFFD"), more)
}
