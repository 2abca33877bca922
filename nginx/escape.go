package nginx

import (
	"fmt"
	"strings"
)

// EscapePath writes a path as NGINX does where it makes a request or a redirect of one that it has decoded, with ngx_escape_uri of 1.26.
func EscapePath(path string) string {
	return escape(path, "\"#%<>?\\^`{|}")
}

// EscapeArgument writes text as NGINX does where it becomes a part of a query, with ngx_escape_uri of 1.26.
func EscapeArgument(text string) string {
	return escape(text, "\"#%&+;<>?\\^`{|}")
}

// EscapeForLua is ngx.escape_uri(path, 0) of lua-nginx-module, which escapes less.
func EscapeForLua(path string) string {
	return escape(path, "#%?")
}

func escape(path, others string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if c := path[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(others, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
