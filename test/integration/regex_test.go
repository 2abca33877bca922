//go:build integration

package integration

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/nginx"
)

// pieces are what random patterns are made of: mostly right alone, often wrong together.
var pieces = strings.Split(`a b / . * + ? {2} {2,} {1,3} {3,1} {,3} {0} {900} ( ( (?: (?= (?! (?<= (?<! (?> (?i: (?i) ) ) ) | ^ $ [ [^ ] ] - `+
	`\d \w \b \B \A \z \. \] \- \1 \2 \G \f \e \s \\ \0 \n \8 \12 \h [:alpha:] [a-z] [\w-] [\w-.] [.-\w] [a-\.] [z-a] { } # % ~ & x [] [^] [[:^digit:]] [a-[:digit:]]`, " ")

// Every pattern that nginx.ParseRegex takes, NGINX takes: in a location, and with its groups named in a rewrite.
// One that it refused would keep everybody's configuration from being loaded.
func TestNGINXTakesTheRegexesWeTake(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var locations nginx.Directives
	for len(locations) < 3000 {
		pattern := "/"
		for range 1 + random.IntN(9) {
			pattern += pieces[random.IntN(len(pieces))]
		}
		regex, err := nginx.ParseRegex(pattern)
		if err != nil {
			continue
		}
		rewrite := nginx.Rewrite{Pattern: regex.NamedGroups(), Target: nginx.Verbatim("/")}
		locations = append(locations, nginx.Directive{
			Name: "location", Args: []nginx.Arg{nginx.Verbatim("~*"), nginx.Verbatim("^" + pattern)},
			Block: []nginx.Directive{nginx.D("rewrite", rewrite.Regex(), rewrite.Target)},
		})
	}
	text, err := locations.Encode("")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(stateDir(t), "nginx.conf")
	conf := "events {}\nhttp { server { listen unix:" + file + ".sock;\n" + text + "} }\n"
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "/usr/sbin/nginx", "-t", "-c", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
