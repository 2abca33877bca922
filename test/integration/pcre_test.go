//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/pcre"
	"github.com/sluice-ingress/sluice/test/golden"
)

// search is an expression with a text to find it in, and the groups that are found: none, or the whole first.
type search struct {
	Pattern string   `json:"pattern"`
	Text    string   `json:"text"`
	Groups  []string `json:"groups,omitempty"`
	Failed  string   `json:"failed,omitempty"`
}

// searcher has NGINX search for all that it is sent.
const searcher = `
local cjson = require("cjson")
ngx.req.read_body()
local list = cjson.decode(ngx.req.get_body_data())
for _, one in ipairs(list) do
  local found, problem = ngx.re.match(one.text, one.pattern, "i")
  if problem then one.failed = problem end
  if found then
    one.groups = {}
    for n = 0, #found do one.groups[n + 1] = found[n] or "" end
  end
end
ngx.print(cjson.encode(list))
`

// Random expressions find in Go what they find in NGINX, with the same groups.
func TestExpressionsFindTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	letters := strings.Split("a b / . A B 2 12 - _ x aa ab [ ] { } # % ~ & \\ \n", " ")
	var list []search
	for len(list) < 4000 {
		pattern := ""
		for range 1 + random.IntN(7) {
			pattern += pieces[random.IntN(len(pieces))]
		}
		if _, err := nginx.ParseRegex(pattern); err != nil || strings.Contains(pattern, "900") {
			continue
		}
		for range 4 {
			text := ""
			for range random.IntN(8) {
				text += letters[random.IntN(len(letters))]
			}
			list = append(list, search{Pattern: pattern, Text: text})
		}
	}
	wanted := searchInNGINX(t, list)
	found := 0
	for n, want := range wanted {
		got := search{Pattern: want.Pattern, Text: want.Text, Failed: want.Failed}
		p, err := pcre.Compile(want.Pattern, true, time.Second)
		if err != nil {
			t.Errorf("%q: %v", want.Pattern, err)
			continue
		}
		match, err := p.Find(want.Text)
		if err != nil || want.Failed != "" {
			continue
		}
		if match != nil {
			found++
			got.Groups = match.Groups
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("search %d (-NGINX +Go):\n%s", n, diff)
		}
	}
	if found < len(list)/4 {
		t.Errorf("only %d of %d expressions are found", found, len(list))
	}
}

func searchInNGINX(t *testing.T, list []search) []search {
	t.Helper()
	dir := stateDir(t)
	file, socket := filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "search.sock")
	conf := ""
	for _, module := range golden.Render.Modules {
		conf += "load_module " + module + ";\n"
	}
	conf += fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr; user root; events {}
http {
  access_log off; lua_regex_match_limit 100000; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  client_max_body_size 0; client_body_buffer_size 16m;
  server { listen unix:%[2]s; location / { content_by_lua_block { %[3]s } } }
}
`, dir, socket, searcher)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "/usr/sbin/nginx", "-c", file)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr, cmd.WaitDelay = t.Output(), 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // it was told to end
	}()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		for {
			conn, err := d.DialContext(ctx, "unix", socket)
			if err == nil || ctx.Err() != nil {
				return conn, err
			}
		}
	}}, Timeout: time.Minute}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Post("http://nginx/", "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	var answers []search
	if err == nil {
		err = json.Unmarshal(answer, &answers)
	}
	if err != nil {
		t.Fatalf("%v: %.300s", err, answer)
	}
	return answers
}
