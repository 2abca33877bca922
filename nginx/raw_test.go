package nginx

import (
	"strings"
	"testing"
)

func TestRawStaysInItsBlock(t *testing.T) {
	whole := []string{
		"a b;", "a { b; } # }", "a '}'; b \"{\";", "a_by_lua_block { x = '}' }", "a_by_lua_block { x = \"\\\"}\" }", "a_by_lua_block { -- }\n }",
		"a_by_lua_block { x = [[}]] y = [==[ ]] } ]==] }", "a_by_lua_block { --[[ } \n } ]] }", "a ${b}c;", "a\r\nb;",
	}
	for _, text := range whole {
		d, err := Raw(text)
		if err != nil {
			t.Errorf("Raw(%q): %v", text, err)
			continue
		}
		out, err := Directives{{Name: "location", Args: Words("/"), Block: Directives{d}}, D("after")}.Encode("")
		if err != nil {
			t.Fatal(err)
		}
		if list, err := Parse(out); err != nil || len(list) != 2 || list[1].Name() != "after" {
			t.Errorf("what stands around %q is read as %+v, %v", text, list, err)
		}
	}
	broken := []string{
		"", "# nothing", "a", "}", "a; }", "} a {", "a {", "a 'b;", "a; } location / { b;", "a;\x00", "a_by_lua_block { -- {\n } }", "a_by_lua_block { x = '{' } }",
		"a_by_lua_block { x = '\n' }", "a_by_lua_block { x = '\\\n' }", "a_by_lua_block { [[ }", "a_by_lua_block { --[=[ ]] }", "a_by_lua_block { x = '} }",
	}
	for _, text := range broken {
		if _, err := Raw(text); err == nil {
			t.Errorf("Raw(%q) passes", text)
		}
	}
}

func TestRawIsFound(t *testing.T) {
	d, err := Raw("proxy_set_header A $server_name; if ($x) { allow all; }\nproxy_set_header B \"${server_name}s$server_names\";")
	if err != nil {
		t.Fatal(err)
	}
	list := Directives{D("etag"), d}
	for name, want := range map[string]bool{"etag": true, "proxy_set_header": true, "if": true, "allow": false} {
		if list.Say(name) != want {
			t.Errorf("Say(%s) is %v", name, !want)
		}
	}
	if !list.Use("server_name") || !list.Use("server_names") || list.Use("server") {
		t.Error("Use takes one variable for another")
	}
	got, err := list.Renamed("server_name", "other").Encode("")
	if want := "etag;\nproxy_set_header A ${other}; if ($x) { allow all; }\nproxy_set_header B \"${other}s$server_names\";\n"; err != nil || got != want {
		t.Errorf("Renamed gives %q, %v", got, err)
	}
}

func TestMultilineRoundTrips(t *testing.T) {
	for _, s := range append(hostile, "a\nb", "\n", "a\\\n\"\nb", "$host\n") {
		a := Text(s).Multiline()
		if strings.ContainsAny(s, "\x00\r") {
			if out, err := a.Encode(); err == nil {
				t.Errorf("Encode(%q) = %q, want an error", s, out)
			}
			continue
		}
		roundTrip(t, a)
	}
}
