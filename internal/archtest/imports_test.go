package archtest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tokensvc/tokensvc"

// layer is a row of the import matrix: a folder, with all below it, and what of this module it may
// import besides itself. The row with the longest folder that fits counts. An entry "x/..." stands for
// x and all below, an entry "x" for x alone.
type layer struct {
	folder  string
	imports []string
	// external lists what a layer may import from outside this module besides the standard library;
	// nil means that depguard alone decides.
	external []string
}

// matrix returns the whole direction of imports: cmd, then internal/app, then the other internal
// packages, then keystore and tokens. A new folder needs a row.
func matrix() []layer {
	nothing := []string{}
	return []layer{
		{folder: "tokens", imports: nothing, external: nothing},
		{folder: "tokens/internal", imports: []string{"tokens"}, external: nothing},
		{folder: "tokens/wowza", imports: []string{"tokens", "tokens/internal/..."}, external: nothing},
		{folder: "tokens/akamai", imports: []string{"tokens", "tokens/internal/..."}, external: nothing},
		{folder: "tokens/agora", imports: []string{"tokens", "tokens/internal/..."}, external: nothing},
		{folder: "tokens/qencode", imports: []string{"tokens", "tokens/internal/..."}, external: []string{"github.com/golang-jwt/jwt/v5"}},
		{folder: "tokens/tokenstest", imports: []string{"tokens"}},

		{folder: "keystore", imports: []string{"tokens"}, external: nothing},
		{folder: "keystore/envelope", imports: []string{"keystore", "tokens"}, external: nothing},
		{folder: "keystore/keystoretest", imports: []string{"keystore", "keystore/envelope", "tokens"}},

		{folder: "internal/archtest", imports: nothing, external: nothing},
		{folder: "internal/schemes", imports: []string{"tokens/...", "keystore"}, external: nothing},
		{folder: "internal/keyimport", imports: []string{"tokens/...", "keystore", "internal/schemes"}},
		{folder: "internal/offline", imports: []string{"tokens/...", "internal/schemes", "internal/keyimport"}},
		{folder: "internal/obs", imports: []string{"tokens"}},
		{folder: "internal/playback", imports: []string{"tokens/...", "keystore", "internal/schemes"}},
		{folder: "internal/entitle", imports: []string{"tokens", "keystore", "internal/playback"}},
		{folder: "internal/session", imports: []string{"tokens", "keystore", "internal/playback"}},
		{folder: "internal/clientaddr", imports: nothing, external: nothing},
		{folder: "internal/edge", imports: []string{"tokens/...", "keystore", "internal/clientaddr", "internal/entitle", "internal/playback", "internal/schemes", "internal/session", "internal/signer"}},
		{folder: "internal/storage", imports: []string{"tokens", "keystore/...", "internal/entitle", "internal/playback/...", "internal/session"}},
		{folder: "internal/signer", imports: []string{"tokens/...", "keystore/...", "internal/playback", "internal/schemes"}},
		{folder: "internal/config", imports: []string{"tokens", "keystore", "internal/clientaddr", "internal/entitle/expression", "internal/playback", "internal/schemes", "internal/keyimport"}},
		{folder: "internal/policytest", imports: []string{"tokens", "internal/config", "internal/entitle", "internal/playback"}},
		{folder: "internal/policylint", imports: []string{"tokens/...", "keystore", "internal/playback", "internal/schemes"}},
		{folder: "internal/sandbox", imports: []string{"tokens/...", "internal/schemes"}},
		{folder: "internal/provider", imports: []string{"tokens"}, external: nothing},
		{folder: "internal/provider/rest", imports: []string{"tokens", "internal/provider", "internal/obs"}},
		{folder: "internal/provider/providertest", imports: []string{"tokens", "internal/provider/...", "internal/sandbox/fault"}},
		{folder: "internal/provider/wowza", imports: []string{"tokens/...", "internal/provider", "internal/provider/rest"}},
		{folder: "internal/provider/qencode", imports: []string{"tokens/...", "internal/provider", "internal/provider/rest"}},
		{folder: "internal/provider/agora", imports: []string{"tokens/...", "internal/provider", "internal/provider/rest"}},
		{folder: "internal/provider/streamapi", imports: []string{"tokens", "internal/provider", "internal/provider/rest"}},
		{folder: "internal/rotate", imports: []string{"tokens/...", "keystore", "internal/playback", "internal/provider", "internal/schemes"}},
		{folder: "internal/rotate/rotatetest", imports: []string{
			"tokens/...", "keystore/...", "internal/playback", "internal/provider", "internal/rotate", "internal/schemes", "internal/signer",
		}},
		{folder: "internal/rotate/rotatetest/overhttp", imports: []string{
			"tokens/...", "keystore", "internal/provider/...", "internal/rotate/rotatetest", "internal/sandbox/...", "internal/schemes", "internal/storage/sqlite",
		}},
		{folder: "internal/rotate/crash", imports: []string{"internal/rotate/rotatetest/..."}},
		{folder: "internal/server", imports: []string{
			"gen/...", "tokens/...", "keystore/...", "internal/clientaddr", "internal/entitle", "internal/keyimport", "internal/obs", "internal/playback/...",
			"internal/provider", "internal/rotate", "internal/schemes", "internal/session", "internal/signer",
		}},
		{folder: "internal/app", imports: []string{
			"tokens/...", "keystore/...", "internal/clientaddr", "internal/config", "internal/edge", "internal/entitle/...", "internal/keyimport", "internal/obs", "internal/playback/...",
			"internal/provider/...", "internal/rotate", "internal/sandbox/...", "internal/schemes", "internal/server", "internal/session", "internal/signer", "internal/storage/...",
		}},
		{folder: "internal/bench", imports: []string{"gen/...", "tokens/...", "keystore/...", "internal/..."}},

		{folder: "cmd/tokensvc", imports: []string{
			"gen/...", "tokens/...", "keystore", "internal/app", "internal/config", "internal/keyimport", "internal/obs", "internal/offline", "internal/playback", "internal/policylint", "internal/policytest", "internal/schemes",
		}},
		{folder: "gen", imports: nothing},
		{folder: "test", imports: []string{"gen/...", "tokens/...", "keystore/...", "internal/..."}},
	}
}

// testOnly returns what the tests of any layer above tokens may import besides: the suites and the
// parts that real stores and servers are put together from.
func testOnly() []string {
	return []string{"tokens/...", "keystore/...", "internal/entitle/...", "internal/session/...", "internal/storage/...", "internal/playback/...", "internal/provider/...", "internal/sandbox/..."}
}

// source is one parsed Go file.
type source struct {
	name   string // slash-separated, relative to the module
	folder string
	file   *ast.File
	isTest bool
}

// where returns the row of a folder.
func where(folder string) (layer, bool) {
	best, found := layer{}, false
	for _, l := range matrix() {
		if (folder == l.folder || strings.HasPrefix(folder, l.folder+"/")) && len(l.folder) >= len(best.folder) {
			best, found = l, true
		}
	}
	return best, found
}

func covers(entries []string, folder string) bool {
	return slices.ContainsFunc(entries, func(e string) bool {
		if tree, ok := strings.CutSuffix(e, "/..."); ok {
			return folder == tree || strings.HasPrefix(folder, tree+"/")
		}
		return folder == e
	})
}

// judge says what is wrong with one import, or "".
func judge(s source, imported string) string {
	l, known := where(s.folder)
	if !known {
		return s.folder + " stands in no row of the import matrix"
	}
	if imported == module || strings.HasPrefix(imported, module+"/") {
		target := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
		if sameTree := target == l.folder || strings.HasPrefix(target, l.folder+"/"); sameTree && l.folder != "tokens" && l.folder != "keystore" {
			return ""
		}
		if covers(l.imports, target) || target == s.folder {
			return ""
		}
		inTokens := l.folder == "tokens" || strings.HasPrefix(l.folder, "tokens/")
		if s.isTest && inTokens && covers([]string{"tokens/..."}, target) {
			return ""
		}
		if s.isTest && !inTokens && covers(testOnly(), target) && (!strings.HasPrefix(l.folder, "keystore") || !strings.HasPrefix(target, "internal/")) {
			return ""
		}
		return fmt.Sprintf("%s: %s may not import %s; it may import %v", s.name, l.folder, target, l.imports)
	}
	isStd := !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".")
	if isStd || s.isTest || l.external == nil || slices.Contains(l.external, imported) {
		return ""
	}
	return fmt.Sprintf("%s: %s is kept to the standard library and %v, and imports %s", s.name, l.folder, l.external, imported)
}

func TestImportsPointInward(t *testing.T) {
	for _, s := range sources(t) {
		if _, known := where(s.folder); !known {
			t.Errorf("%s: the folder stands in no row of the import matrix; add one, and say why in docs/adr", s.name)
			continue
		}
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if fault := judge(s, imported); fault != "" {
				t.Error(fault)
			}
		}
	}
}

// TestJudgeRefuses shows that the matrix refuses what it is there to refuse.
func TestJudgeRefuses(t *testing.T) {
	cases := []struct {
		folder, imported string
		isTest           bool
		ok               bool
	}{
		{folder: "tokens", imported: "crypto/hmac", ok: true},
		{folder: "tokens", imported: module + "/tokens/wowza"},
		{folder: "tokens/wowza", imported: module + "/tokens", ok: true},
		{folder: "tokens/wowza", imported: module + "/tokens/akamai"},
		{folder: "tokens/wowza", imported: module + "/keystore"},
		{folder: "tokens/wowza", imported: module + "/tokens/tokenstest"},
		{folder: "tokens/wowza", imported: module + "/tokens/tokenstest", isTest: true, ok: true},
		{folder: "tokens/wowza", imported: module + "/internal/signer", isTest: true},
		{folder: "tokens/wowza", imported: "github.com/golang-jwt/jwt/v5"},
		{folder: "tokens/qencode", imported: "github.com/golang-jwt/jwt/v5", ok: true},
		{folder: "keystore", imported: module + "/keystore/envelope"},
		{folder: "keystore", imported: module + "/tokens/wowza"},
		{folder: "keystore/envelope", imported: module + "/internal/storage/sqlite", isTest: true},
		{folder: "internal/storage/sqlite", imported: module + "/keystore", ok: true},
		{folder: "internal/storage/sqlite", imported: module + "/internal/signer"},
		{folder: "internal/signer", imported: module + "/gen/tokensvc/v1"},
		{folder: "internal/signer", imported: module + "/internal/server"},
		{folder: "internal/server", imported: module + "/gen/tokensvc/v1", ok: true},
		{folder: "internal/server", imported: module + "/internal/app"},
		{folder: "internal/app", imported: module + "/cmd/tokensvc"},
		{folder: "cmd/tokensvc", imported: module + "/internal/app", ok: true},
		{folder: "cmd/tokensvc", imported: module + "/internal/storage/sqlite"},
		{folder: "internal/novelty", imported: "fmt"},
	}
	for _, c := range cases {
		s := source{name: c.folder + "/x.go", folder: c.folder, isTest: c.isTest}
		if fault := judge(s, c.imported); (fault == "") != c.ok {
			t.Errorf("%s (test: %t) importing %s: allowed %t, want %t: %s", c.folder, c.isTest, c.imported, fault == "", c.ok, fault)
		}
	}
}

func TestPackagesAreNamedForWhatTheyDo(t *testing.T) {
	for _, s := range sources(t) {
		for part := range strings.SplitSeq(s.folder, "/") {
			if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "pkg", "misc", "shared"}, part) {
				t.Errorf("%s: %q says nothing of what the package does", s.name, part)
			}
		}
	}
}

func TestNothingRegistersItself(t *testing.T) {
	// What is imported for its effect alone, and where.
	forEffect := map[string]string{
		"embed":              "",
		"modernc.org/sqlite": "internal/storage/sqlite",
	}
	for _, s := range sources(t) {
		if strings.HasPrefix(s.folder, "gen/") {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: func init; let the caller build what it needs", s.name)
			}
		}
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if spec.Name == nil || spec.Name.Name != "_" {
				continue
			}
			if only, ok := forEffect[imported]; !ok || only != "" && only != s.folder {
				t.Errorf("%s: imports %s for its effect alone", s.name, imported)
			}
		}
	}
}

// sources parses every Go file of the module, whatever its build constraints.
func sources(t *testing.T) []source {
	t.Helper()
	root := moduleRoot(t)
	fset := token.NewFileSet()
	var all []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			base := d.Name()
			hidden := rel != "." && strings.HasPrefix(base, ".")
			if hidden || base == "testdata" || base == "node_modules" || rel == "tools" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, source{name: rel, folder: path.Dir(rel), file: file, isTest: strings.HasSuffix(rel, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// moduleRoot returns the folder of this module's go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}
