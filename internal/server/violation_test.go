package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tokensvc/tokensvc/internal/server"
)

func TestEveryPatternHasWords(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../proto/tokensvc/v1/*.proto")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`pattern[:= ]+"([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			found++
			if !strings.HasPrefix(server.PatternWords(m[1]), "want ") {
				t.Errorf("%s: %s has no words", filepath.Base(name), m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d patterns", found)
	}
}
