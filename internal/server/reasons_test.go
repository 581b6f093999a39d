package server_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"

	"github.com/tokensvc/tokensvc/internal/server"
	"github.com/tokensvc/tokensvc/tokens"
)

// declaredReasons reads the constants of type Reason from the source of package tokens.
func declaredReasons(t *testing.T) []tokens.Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../tokens/reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []tokens.Reason
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s is no literal", spec.Names[0])
			}
			text, err := strconv.Unquote(literal.Value)
			check(t, err)
			all = append(all, tokens.Reason(text))
		}
		return true
	})
	if len(all) < 30 {
		t.Fatalf("found only %d reasons: %v", len(all), all)
	}
	return all
}

// Every reason has a section in docs/reasons.md with the codes that the service really answers with.
func TestReasonsAreDocumentedWithTheirCodes(t *testing.T) {
	raw, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[tokens.Reason]string{}
	var order []tokens.Reason
	for _, section := range strings.Split(string(raw), "\n## ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		if _, twice := documented[tokens.Reason(name)]; twice {
			t.Errorf("%s has two sections", name)
		}
		documented[tokens.Reason(name)] = body
		order = append(order, tokens.Reason(name))
	}
	declared := declaredReasons(t)
	for _, reason := range declared {
		body, ok := documented[reason]
		if !ok {
			t.Errorf("docs/reasons.md has no section %s", reason)
			continue
		}
		want := "gRPC `" + code.Code(server.CodeOf(reason)).String() + "`, HTTP `" + strconv.Itoa(server.HTTPStatusOf(reason)) + "`"
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("section %s does not say: %s", reason, want)
		}
		if !regexp.MustCompile(`(?s)\*\*Meaning\.\*\* .{20,}\*\*What to do\.\*\* .{20,}`).MatchString(body) {
			t.Errorf("section %s does not say what it means and what to do", reason)
		}
		if reason != tokens.Internal && server.CodeOf(reason) == codes.Internal {
			t.Errorf("%s has no code of its own", reason)
		}
	}
	if !slices.Equal(order, declared) {
		t.Errorf("the sections are\n%v\nand the constants\n%v", order, declared)
	}
}
