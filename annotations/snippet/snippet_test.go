package snippet

import (
	"fmt"
	"math/bits"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/nginx"
)

// taken are snippets and what they become, Early before Headers before Body.
var taken = []struct{ text, want string }{
	{"", ""},
	{"# nothing }", ""},
	{`etag off;`, "etag off;\n"},
	{`set $a b; set $a "$a c";`, "set $own_a b;\nset $own_a \"${own_a} c\";\n"},
	{`return 200 'a;b}"';`, "return 200 \"a;b}\\\"\";\n"},
	{`return 200 "a\nb";`, "return 200 \"a\\nb\";\n"},
	{`return http://example.org/$request_uri;`, "return 302 \"http://example.org/${request_uri}\";\n"},
	{`return 301 https://$host$request_uri;`, "return 301 \"https://${host}${request_uri}\";\n"},
	{`if ($host = "") { break; }`, "if ( $host = \"\" ) {\n  break;\n}\n"},
	{`if ( $host !~* "^(a|b)$" ) { return 444; }`, "if ( $host !~* \"^(?<found_l1_1>a|b)$\" ) {\n  return 444;\n}\n"},
	{`if ($uri ~ ^/a) { set $x 1; }`, "if ( $uri ~ ^/a ) {\n  set $own_x 1;\n}\n"},
	{`rewrite ^/(a)/(b) /$2/$1 break;`, "rewrite \"^/(?<found_l1_1>a)/(?<found_l1_2>b)\" \"/${found_l1_2}/${found_l1_1}\" break;\n"},
	{`rewrite ^ $scheme://example.org/;`, "rewrite ^ \"${scheme}://example.org/\" redirect;\n"},
	{`rewrite ^ https://example.org$request_uri? permanent;`, "rewrite ^ \"https://example.org${request_uri}?\" permanent;\n"},
	{`rewrite ^/(.*) /x?a=$arg_a&b last;`, "rewrite \"^/(?<found_l1_1>.*)\" \"/x?a=${arg_a}&b\" last;\n"},
	{
		`rewrite ^/(.*) https://example.org/$1;`,
		"set_by_lua_block $escaped_uri { return ngx.escape_uri(ngx.var.uri, 0) }\nif ( $escaped_uri ~ \"^/(?<found_l1_1>.*)\" ) {\n  return 302 \"https://example.org/${found_l1_1}${is_args}${args}\";\n}\n",
	},
	{
		`if ($host = a) { rewrite ^/(.*) https://example.org/$1? permanent; }`,
		"if ( $host = a ) {\n  rewrite \"^(?![\\\\s\\\\S]*[[:cntrl:]])[\\\\s\\\\S]*?(?:^/(?<found_l1_1>.*))\" \"https://example.org/${found_l1_1}?\" permanent;\n}\n",
	},
	{`proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`, "header Upgrade $http_upgrade;\nheader Connection upgrade;\n"},
	{`more_set_headers -s '404 500' -t "text/html" "A: $status" 'B:';`, "more_set_headers -s \"404 500\" -t text/html \"A: ${status}\" \"B: \";\n"},
	{`more_clear_headers X-Powered-* Server;`, "more_clear_headers X-Powered-* Server;\n"},
	{`allow 10.1.2.3/8; deny ::FFFF:10.0.0.1; deny all;`, "allow 10.0.0.0/8;\ndeny 10.0.0.1;\ndeny all;\n"},
	{`error_page 404 =200 /index.html; error_page 401 403 https://example.org/login; error_page 503 /sorry;`, "error_page 404 =200 /index.html;\nerror_page 401 403 https://example.org/login;\nerror_page 503 /sorry;\n"},
	{`expires 1h30m;`, "expires 5400s;\n"},
	{`expires -1;`, "expires -1s;\n"},
	{`proxy_read_timeout 1500ms; client_max_body_size 8M;`, "proxy_read_timeout 1500ms;\nclient_max_body_size 8388608;\n"},
	{`sub_filter '</head>' '<b>$host</b></head>'; sub_filter_types text/css *;`, "sub_filter \"</head>\" \"<b>${host}</b></head>\";\nsub_filter_types text/css *;\n"},
	{`proxy_cookie_path / "/; secure; HttpOnly";`, "proxy_cookie_path / \"/; secure; HttpOnly\";\n"},
}

func TestParse(t *testing.T) {
	for _, c := range taken {
		got, mistakes := Parse(c.text, InLocation)
		if len(mistakes) > 0 {
			t.Errorf("Parse(%q): %v", c.text, mistakes)
			continue
		}
		if diff := cmp.Diff(c.want, written(t, got)); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", c.text, diff)
		}
	}
}

// written is a snippet as text.
func written(t *testing.T, s Snippet) string {
	t.Helper()
	list := append(nginx.Directives{}, s.Early...)
	for _, h := range s.Headers {
		list.Add("header", nginx.Verbatim(h.Name), h.Value)
	}
	text, err := append(list, s.Body...).Encode("")
	if err != nil {
		t.Fatalf("a snippet that was taken cannot be written: %v", err)
	}
	return text
}

// refused are texts with what is said of them; the golden snippets-refused has more.
var refused = []struct{ text, say string }{
	{"}", "unexpected }"},
	{"etag off; } location / {", "unexpected }"},
	{"etag off", "unexpected end"},
	{"etag 'off", "unexpected end"},
	{"etag off {}", "with a block"},
	{"if ($host) ;", "with a block"},
	{"if $host { break; }", "parentheses"},
	{"if ($host = a b) { break; }", "4 words"},
	{"if ($host > a) { break; }", "operator"},
	{"if (host) { break; }", "only variables"},
	{"if (!-e $request_filename) { break; }", "only variables"},
	{"if ($remote_user) { break; }", "not in the list"},
	{"if ($x) { set $X 1; }", "not in the list"},
	{"set $x $1;", "no regular expression"},
	{"set $x ${host;", "without a }"},
	{"set $x a$;", "single $"},
	{"set $uri /a;", "variables of its own"},
	{"set $args '';", "variables of its own"},
	{"set $x $y;", "not in the list"},
	{"set $x '\n';", "control character"},
	{"return 200 \"a\\rb\";", "control character"},
	{"return 301 \"/a\\nX: y\";", "control character"},
	{"return 302 $uri;", "line end"},
	{"return 302 $document_uri;", "line end"},
	{"return 99;", "no code"},
	{"return ok;", "no code"},
	{"rewrite ^ nowhere;", "neither a path nor a URL"},
	{"rewrite ( /a;", "regular expression"},
	{"rewrite ^ /a always;", "flag"},
	{"rewrite ^/(.*) /a?b=$http_x;", "in the query"},
	{"rewrite ^/(.*) /a?b=$1;", "in the query"},
	{"rewrite ^/(.*) 'https://example.org/\nX: y';", "control character"},
	{"set $args2 $http_x; rewrite ^ /a?$args2;", "in the query"},
	{"add_header X-Y 'a\\nb';", "control character"},
	{"add_header 'X Y' a;", "no name of a header"},
	{"add_header X $uri;", "line end"},
	{"add_header Content-Length 0;", "not for snippets"},
	{"more_set_headers 'Content-Length: 0';", "not for snippets"},
	{"more_set_headers 'X: a\\nY: b';", "control character"},
	{"more_set_headers X;", "colon"},
	{"more_set_headers -a 'X: y';", "option"},
	{"more_set_headers -s;", "without codes"},
	{"more_set_headers -s 404;", "no header"},
	{"more_clear_headers Con*;", "not for snippets"},
	{"more_clear_headers *;", "not for snippets"},
	{"more_set_input_headers 'Host: a';", "not for snippets"},
	{"more_set_input_headers 'Cookie: a=b';", "not for snippets"},
	{"proxy_set_header Transfer-Encoding chunked;", "not for snippets"},
	{"if ($host) { proxy_set_header X y; }", "cannot stand in an if"},
	{"if ($host) { deny all; }", "cannot stand in an if"},
	{"error_page 401 =200 /a;", "kept out"},
	{"error_page 503 = /a;", "kept out"},
	{"error_page 404 403 =204 /a;", "kept out"},
	{"error_page 404 @other;", "neither a path nor a URL"},
	{"error_page 302 /a;", "no code"},
	{"allow unix:;", "neither an address"},
	{"allow fe80::1%eth0;", "neither an address"},
	{"access_log /dev/stdout;", "not one of"},
	{"proxy_redirect ~^/(.*) /$1;", "no regular expression"},
	{"expires $http_x;", "no time"},
	{"expires 1m1h;", "no time"},
	{"keepalive_timeout 500ms;", "whole seconds"},
	{"client_max_body_size 9999999999999g;", "no size"},
	{"client_max_body_size -1;", "no size"},
	{"sub_filter '' a;", "not empty"},
	{"content_by_lua_block { ngx.say(1) }", "Lua"},
	{"set_by_lua_block $x { return 1 }", "Lua"},
	{"js_content x;", "lists what is"},
	{"perl 'sub { }';", "lists what is"},
	{"proxy_cache_path /tmp;", "not cached"},
	{"\"etag\" off;", ""}, // a name in quotes is the same name
	{strings.Repeat("etag off;", 2000), "longer than"},
	{strings.Repeat("set $x 1;", 201), "more than 200"},
	{"return 200 " + strings.Repeat("a", 5000) + ";", "longer than"},
	{"set $x " + strings.Repeat("$host", 900) + ";", "longer than"},
	{strings.Repeat("if ($host) {", 1000), "unexpected end"},
}

func TestParseRefuses(t *testing.T) {
	for _, c := range refused {
		_, mistakes := Parse(c.text, InLocation)
		said := fmt.Sprint(mistakes)
		if (c.say == "") != (len(mistakes) == 0) || !strings.Contains(said, c.say) {
			t.Errorf("Parse(%.80q) says %q, want %q in it", c.text, said, c.say)
		}
	}
}

// Whatever is taken is written as a list of directives that are in the rules, and read back by the independent parser as
// the same: nothing is added, nothing gets out of its block.
func FuzzParse(f *testing.F) {
	for _, c := range taken {
		f.Add(c.text, false)
	}
	for _, c := range refused {
		f.Add(c.text, true)
	}
	f.Fuzz(func(t *testing.T, text string, server bool) {
		in := InLocation
		if server {
			in = InServer
		}
		s, mistakes := Parse(text, in)
		if len(mistakes) > 0 {
			return
		}
		list := append(append(nginx.Directives{}, s.Early...), s.Body...)
		for _, h := range s.Headers {
			list.Add("proxy_set_header", nginx.Verbatim(h.Name), h.Value)
		}
		block := nginx.Directives{{Name: "location", Args: nginx.Words("/"), Block: list}, nginx.D("after")}
		encoded, err := block.Encode("")
		if err != nil {
			t.Fatalf("%q is taken and cannot be written: %v", text, err)
		}
		read, err := nginx.Parse(encoded)
		if err != nil || len(read) != 2 || read[1].Name() != "after" {
			t.Fatalf("%q is read back as %+v, %v:\n%s", text, read, err, encoded)
		}
		compare(t, text, list, read[0].Block)
	})
}

func compare(t *testing.T, text string, list nginx.Directives, read []nginx.Parsed) {
	t.Helper()
	if len(list) != len(read) {
		t.Fatalf("%q gives %d directives, read back as %d", text, len(list), len(read))
	}
	for i, d := range list {
		if read[i].Name() == "set_by_lua_block" {
			if read[i].Lua != "return ngx.escape_uri(ngx.var.uri, 0)" {
				t.Fatalf("%q gives other Lua than ours: %q", text, read[i].Lua)
			}
			continue
		}
		want := []string{d.Name}
		for _, a := range d.Args {
			value := a.Value()
			if len(a.Pieces()) == 2 && a.Pieces()[0] == "" {
				value = "$" + a.Pieces()[1] // a variable alone is written without braces
			}
			want = append(want, value)
		}
		if rules[d.Name] == nil || !cmp.Equal(want, read[i].Words) {
			t.Fatalf("%q gives %q, read back as %q", text, want, read[i].Words)
		}
		if d.Name == "set" && !strings.HasPrefix(want[1], "$own_") {
			t.Fatalf("%q sets %s", text, want[1])
		}
		compare(t, text, d.Block, read[i].Block)
	}
}

// Every rule is described, and a real NGINX gets its directive in the golden snippets-directives.
func TestRulesAreSound(t *testing.T) {
	tried, err := os.ReadFile("../testdata/snippets-directives.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules {
		if r.Args == "" || r.In == 0 || (r.read == nil) != (r.Name == "if" || r.Name == "rewrite") {
			t.Errorf("%s lacks its arguments, its place or its reader", r.Name)
		}
		if strings.Count(string(tried), " "+r.Name+" ")+strings.Count(string(tried), " "+r.Name+";") < bits.OnesCount8(uint8(r.In&(InLocation|InServer|InIf))) {
			t.Errorf("%s is not in every place in the golden snippets-directives", r.Name)
		}
		for _, refused := range Refused {
			if r.Name == refused.Prefix {
				t.Errorf("%s is both allowed and refused", r.Name)
			}
		}
	}
}
