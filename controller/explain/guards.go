package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/request"
)

// checkCertificate is what NGINX does about client certificates before it looks at anything else. It is false if the request ends
// there.
func (w *walk) checkCertificate() bool {
	asks := w.verifyMode()
	from := w.ofServer("ClientAuth")
	switch {
	case asks == "" || !w.request.Secure:
		return true
	case w.request.HasCertificate:
		w.step("client certificate", Depends, "it has to be one that the authorities of the Secret have made, unless any will do", from...)
		return true
	case asks == "on":
		w.step("client certificate", Answers, "the client shows none, and has to", from...)
		w.fail(statusNoCertificate)
		return false
	}
	w.step("client certificate", Passes, "the client shows none, and need not", from...)
	return true
}

// NGINX's own status for a client without a certificate, which clients see as 400.
const statusNoCertificate = 496

// verifyMode is how the host asks for certificates: on, optional or optional_no_ca; "" if it does not.
func (w *walk) verifyMode() string {
	list := named(parsed(w.server.Directives), "ssl_verify_client")
	if len(list) == 0 || list[0].Words[1] == "off" {
		return ""
	}
	return list[0].Words[1]
}

func (w *walk) verifies() bool { return w.verifyMode() != "" }

func (w *walk) asksForCertificate() bool { return w.request.Secure && w.verifies() }

// longestLine is how long the request line and each header may be: the size in large_client_header_buffers.
func (w *walk) longestLine() int {
	unit := map[byte]int{'k': 1 << 10, 'K': 1 << 10, 'm': 1 << 20, 'M': 1 << 20}
	for _, d := range named(w.shared, "large_client_header_buffers") {
		text := d.Words[len(d.Words)-1]
		factor := max(unit[text[len(text)-1]], 1)
		if size, err := strconv.Atoi(strings.TrimRight(text, "kKmM")); err == nil {
			return size * factor
		}
	}
	return request.LongestLine
}

// client is the address that guards look at: that of the connection, or what a proxy that is believed says of it, by the rules of
// ngx_http_realip_module.
func (w *walk) client() string {
	address := w.request.Client
	header := named(w.shared, "real_ip_header")
	if len(header) == 0 || !address.IsValid() {
		return addressText(address)
	}
	recursive := slices.ContainsFunc(named(w.shared, "real_ip_recursive"), func(d nginx.Parsed) bool { return d.Words[1] == "on" })
	said := strings.FieldsFunc(w.headerOf(strings.ToLower(strings.ReplaceAll(header[0].Words[1], "-", "_"))), func(r rune) bool { return r == ',' || r == ' ' })
	for n := len(said) - 1; n >= 0 && w.believes(address); n-- {
		further, err := netip.ParseAddr(said[n])
		if err != nil {
			break
		}
		if address = further; !recursive {
			break
		}
	}
	return addressText(address)
}

// believes tells whether a proxy may say who the client is.
func (w *walk) believes(address netip.Addr) bool {
	return slices.ContainsFunc(named(w.shared, "set_real_ip_from"), func(d nginx.Parsed) bool {
		network, is := networkOf(d.Words[1])
		return is && network.Contains(address.Unmap())
	})
}

// limits notes limits of requests, of which nobody knows what they have counted.
func (w *walk) limits() {
	for _, d := range w.effective("limit_req") {
		w.limit(d, "limit of requests", fmt.Sprintf("%s at most, in bursts of %s; beyond that it is %s", w.rate(d), argumentOf(d, "burst="), w.status("limit_req_status")))
	}
	for _, d := range w.effective("limit_conn") {
		w.limit(d, "limit of connections", fmt.Sprintf("%s at the same time at most; beyond that it is %s", d.Words[2], w.status("limit_conn_status")))
	}
}

func (w *walk) limit(d nginx.Parsed, name, detail string) {
	if zone := w.zone(d); zone != nil {
		if key := w.expand(zone.Words[1]); !key.unknown && key.text == "" {
			w.step(name, Passes, "the client is not counted", w.from(d.Name())...)
			return
		}
	}
	w.step(name, Depends, detail, w.from(d.Name())...)
}

// zone is the directive of the http level that a limit counts by.
func (w *walk) zone(d nginx.Parsed) *nginx.Parsed {
	name := strings.TrimPrefix(d.Words[1], "zone=")
	for i, zone := range w.shared {
		if zone.Name() == d.Name()+"_zone" && slices.ContainsFunc(zone.Words, func(word string) bool { return strings.HasPrefix(word, "zone="+name+":") }) {
			return &w.shared[i]
		}
	}
	return nil
}

func (w *walk) rate(d nginx.Parsed) string {
	if zone := w.zone(d); zone != nil {
		return argumentOf(*zone, "rate=")
	}
	return "a rate that is not known"
}

// argumentOf is what follows a word that an argument begins with.
func argumentOf(d nginx.Parsed, begin string) string {
	for _, word := range d.Words[1:] {
		if rest, is := strings.CutPrefix(word, begin); is {
			return rest
		}
	}
	return "none"
}

func (w *walk) status(name string) string {
	if list := w.effective(name); len(list) > 0 {
		return list[0].Words[1]
	}
	return "503"
}

// verdict is what a guard says of a request.
type verdict uint8

const (
	silent  verdict = iota // the guard does not look at it
	allowed                // and says so
	depends                // on what shows only with the request
	refused                // with a status
)

// access asks the guards of NGINX's access phase in their order: lists of addresses, names with passwords, and a service. It is
// true if the request goes on.
func (w *walk) access() bool {
	isAny := slices.ContainsFunc(w.effective("satisfy"), func(d nginx.Parsed) bool { return d.Words[1] == "any" })
	refusal := 0
	for _, guard := range []func(isAny bool) (verdict, int){w.lists, w.password, w.service} {
		said, status := guard(isAny)
		switch {
		case said == refused && !isAny:
			w.fail(status)
			return false
		case said == refused && refusal != 401:
			refusal = status
		case said == allowed && isAny, said == depends && isAny:
			return true
		}
	}
	if refusal != 0 {
		w.fail(refusal)
		return false
	}
	return true
}

// refusing is the effect of a guard that refuses: with satisfy any, another may let the request pass.
func refusing(isAny bool) (Effect, string) {
	if isAny {
		return Passes, ", unless another guard lets the request pass"
	}
	return Answers, ""
}

func (w *walk) lists(isAny bool) (verdict, int) {
	rules := w.effective("allow", "deny")
	if len(rules) == 0 {
		return silent, 0
	}
	from := w.from("allow", "deny")
	client, err := netip.ParseAddr(w.client())
	if err != nil {
		w.step("lists of addresses", Depends, "say which client it is to know what they say", from...)
		return depends, 0
	}
	for _, rule := range rules {
		text := rule.Words[1]
		network, is := networkOf(text)
		switch {
		case text != "all" && !(is && network.Contains(client.Unmap())):
			continue
		case rule.Name() == "allow":
			w.step("lists of addresses", Passes, fmt.Sprintf("%s is allowed by %s", client, text), from...)
			return allowed, 0
		}
		effect, unless := refusing(isAny)
		w.step("lists of addresses", effect, fmt.Sprintf("%s is refused by deny %s%s", client, text, unless), from...)
		return refused, 403
	}
	w.step("lists of addresses", Passes, fmt.Sprintf("%s is on none", client), from...)
	return silent, 0
}

func (w *walk) password(isAny bool) (verdict, int) {
	list := w.effective("auth_basic")
	if len(list) == 0 || list[0].Words[1] == "off" {
		return silent, 0
	}
	from := w.from("auth_basic")
	scheme, _, _ := strings.Cut(w.headerOf("authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		effect, unless := refusing(isAny)
		w.step("name and password", effect, "the client gives none"+unless, from...)
		return refused, 401
	}
	w.step("name and password", Depends, "those in the request have to be right; else it is 401", from...)
	return depends, 0
}

func (w *walk) service(bool) (verdict, int) {
	list := w.effective("auth_request")
	if len(list) == 0 || list[0].Words[1] == "off" {
		return silent, 0
	}
	asked := "a service"
	for _, d := range w.location.Body {
		if d.Inquiry == nil {
			continue
		}
		host, port, uri, scheme := "", "", "", ""
		for _, d := range parsed(d.Inquiry.Body) {
			switch {
			case d.Name() == "set" && d.Words[1] == "$inquiry_host":
				host = w.expand(d.Words[2]).text
			case d.Name() == "set" && d.Words[1] == "$inquiry_port":
				port = w.expand(d.Words[2]).text
			case d.Name() == "proxy_pass":
				scheme, uri, _ = strings.Cut(d.Words[1], "://")
				_, uri, _ = strings.Cut(uri, "/")
				uri = w.expand("/" + uri).text
			}
		}
		asked = fmt.Sprintf("%s://%s:%s%s", scheme, host, port, uri)
	}
	w.step("external authentication", Depends, asked+" is asked; 2xx lets the request pass, 401 and 403 are the client's answer, and all else is 500", w.from("auth_request")...)
	return depends, 0
}
