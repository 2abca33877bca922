package annotations

import (
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

const defaultCiphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" +
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256"

var (
	sslCiphers = Ciphers("ssl-ciphers", defaultCiphers, "!:+-_@=").Global().Bad(Refuse).Example("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384").
			Doc("Ciphers for clients, up to TLS 1.2, as OpenSSL writes them. They hold for the whole host; the oldest Ingress that has the annotation decides.")
	sslPreferServerCiphers = Bool("ssl-prefer-server-ciphers", true).Example("false").
				Doc("Whether our order of ciphers counts, not the client's. It holds for the whole host; the oldest Ingress that has the annotation decides.")
	sslProtocols = Choices("ssl-protocols", []string{"TLSv1.2", "TLSv1.3"}, "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3").ConfigOnly().Example("TLSv1.3").
			Doc("Versions of TLS for clients. Those before 1.2 need ciphers with @SECLEVEL=0 as well.")
	sslCurves = New("ssl-ecdh-curve", curvesKind, "auto").ConfigOnly().Example("X25519:prime256v1").
			Doc("Groups for the key exchange, in the order of preference, or auto.")
	sslDHParam = SecretRef("ssl-dh-param").ConfigOnly().Example("ingress-nginx/dhparam").
			Doc("Secret, as namespace/name, with parameters for DHE ciphers under the key dhparam.pem. Without it there are no DHE ciphers.")
	sslSessionCache = Bool("ssl-session-cache", true).ConfigOnly().Example("false").
			Doc("Lets clients resume sessions that all workers know.")
	sslSessionCacheSize = SizeOf("ssl-session-cache-size", 10<<20, 64<<10, 1<<30).ConfigOnly().Example("50m").
				Doc("Size of the cache of sessions; a megabyte holds about 4,000.")
	sslSessionTickets = Bool("ssl-session-tickets", false).ConfigOnly().Example("true").
				Doc("Lets clients resume sessions by tickets, which nobody has to remember.")
	sslSessionTicketKey = New("ssl-session-ticket-key", ticketKeyKind, nginx.Secret{}).ConfigOnly().Secret().Example(strings.Repeat("c2x1aWNl", 8)).
				Doc("Key of tickets, 48 or 80 random bytes in base64, so that replicas take each other's.")
	sslSessionTimeout = New("ssl-session-timeout", timeKind, 10*time.Minute).ConfigOnly().Example("1h").
				Doc("How long a session can be resumed.")
	sslBufferSize = SizeOf("ssl-buffer-size", 4<<10, 1<<10, 1<<20).ConfigOnly().Example("16k").
			Doc("Size of the records that answers are sent in.")
	sslEarlyData = Bool("ssl-early-data", false).ConfigOnly().Example("true").
			Doc("Takes requests with the first message of TLS 1.3, which others can send again.")
	sslRejectHandshake = Bool("ssl-reject-handshake", false).ConfigOnly().Example("true").
				Doc("Ends the handshake with clients that ask for a host that no Ingress names, or for none.")
	enableOCSP = Bool("enable-ocsp", false).ConfigOnly().Example("true").
			Doc("Has the controller ask the OCSP responders that certificates name, and gives their answers to clients in the handshake.")
)

var tlsSettings = Feature{
	Name: "TLS with clients",
	Settings: Settings{
		sslCiphers, sslPreferServerCiphers, sslProtocols, sslCurves, sslDHParam, sslSessionCache, sslSessionCacheSize, sslSessionTickets,
		sslSessionTicketKey, sslSessionTimeout, sslBufferSize, sslEarlyData, sslRejectHandshake, enableOCSP,
	},
	HTTP: func(v Values, h *nginx.HTTP) error {
		list := nginx.Directives{
			nginx.D("ssl_protocols", nginx.Words(sslProtocols.In(v)...)...), nginx.D("ssl_ciphers", nginx.Verbatim(sslCiphers.In(v))),
			nginx.D("ssl_prefer_server_ciphers", nginx.OnOff(sslPreferServerCiphers.In(v))),
		}
		if curves := sslCurves.In(v); curves != "auto" {
			list.Add("ssl_ecdh_curve", nginx.Verbatim(curves))
		}
		cache := nginx.Verbatim("off")
		if sslSessionCache.In(v) {
			cache = nginx.Concat(nginx.Verbatim("shared:SSL:"), sslSessionCacheSize.In(v).Arg())
		}
		list.Add("ssl_session_cache", cache)
		list.Add("ssl_session_timeout", nginx.Seconds(sslSessionTimeout.In(v)))
		list.Add("ssl_session_tickets", nginx.OnOff(sslSessionTickets.In(v)))
		if key := sslSessionTicketKey.In(v).Reveal(); key != "" {
			list = append(list, nginx.WithFile("ssl_session_ticket_key", nginx.NewSecret(key)))
		}
		list.Add("ssl_buffer_size", sslBufferSize.In(v).Arg())
		if sslEarlyData.In(v) {
			list.Add("ssl_early_data", nginx.OnOff(true))
		}
		parameters, err := dhParameters(v)
		if parameters != "" {
			list = append(list, nginx.WithFile("ssl_dhparam", nginx.NewSecret(parameters)))
		}
		h.TLS, h.RejectsUnknownNames, h.Staples = list, sslRejectHandshake.In(v), enableOCSP.In(v)
		return err
	},
	Server: func(v Values, s *nginx.Server) error {
		has := func(name string) bool {
			return slices.ContainsFunc(s.Directives, func(d nginx.Directive) bool { return d.Name == name })
		}
		if sslCiphers.Given(v) && !has("ssl_ciphers") {
			s.Directives.Add("ssl_ciphers", nginx.Verbatim(sslCiphers.In(v)))
		}
		if sslPreferServerCiphers.Given(v) && !has("ssl_prefer_server_ciphers") {
			s.Directives.Add("ssl_prefer_server_ciphers", nginx.OnOff(sslPreferServerCiphers.In(v)))
		}
		return nil
	},
}

// dhParameters finds the parameters of DHE ciphers.
func dhParameters(v Values) (string, error) {
	ref := sslDHParam.In(v)
	if ref == nil {
		return "", nil
	}
	const instead = "; there are no DHE ciphers"
	if ref.Namespace == "" || ref.Name == "" {
		return "", Mistake(sslDHParam, InvalidValue, "%s does not name a Secret as namespace/name%s", printable(ref.String()), instead)
	}
	data := v.Lookup.Secret(ref.Namespace, ref.Name)
	if data == nil {
		return "", Mistake(sslDHParam, MissingSecret, "Secret %s does not exist%s", ref, instead)
	}
	text, err := readDHParameters(data["dhparam.pem"])
	if err != nil {
		return "", Mistake(sslDHParam, InvalidCertificate, "dhparam.pem of Secret %s %s%s", ref, err, instead)
	}
	return text, nil
}

// readDHParameters reads PKCS #3 parameters and writes them anew. OpenSSL refuses those that are shorter, at its security
// level 2, Debian's default; longer ones take seconds for each handshake.
func readDHParameters(text []byte) (string, error) {
	const shortest, longest = 2048, 8192
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "DH PARAMETERS" {
		return "", errors.New("holds no DH parameters")
	}
	var p struct {
		P, G   *big.Int
		Length int `asn1:"optional"`
	}
	if rest, err := asn1.Unmarshal(block.Bytes, &p); err != nil || len(rest) > 0 {
		return "", errors.New("is unreadable")
	}
	bits := p.P.BitLen()
	if bits < shortest || bits > longest || p.P.Bit(0) == 0 || p.G.Cmp(big.NewInt(1)) <= 0 || p.G.Cmp(p.P) >= 0 {
		return "", fmt.Errorf("holds parameters of %d bits that NGINX does not take; it takes good ones of %d to %d", bits, shortest, longest)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})), nil
}

// curves are the groups that OpenSSL 3.5 knows, by the names it takes.
var curves = map[string]string{
	"X25519": "X25519", "X448": "X448", "prime256v1": "prime256v1", "P-256": "prime256v1", "secp256r1": "prime256v1", "secp384r1": "secp384r1",
	"P-384": "secp384r1", "secp521r1": "secp521r1", "P-521": "secp521r1", "X25519MLKEM768": "X25519MLKEM768",
	"SecP256r1MLKEM768": "SecP256r1MLKEM768", "SecP384r1MLKEM1024": "SecP384r1MLKEM1024", "ffdhe2048": "ffdhe2048", "ffdhe3072": "ffdhe3072",
}

var curvesKind = Kind[string]{
	Name: "auto or a list of curves separated by colons",
	Parse: func(s string) (string, error) {
		if s == "auto" {
			return s, nil
		}
		var list []string
		for _, item := range strings.Split(s, ":") {
			curve, known := curves[item]
			if !known {
				return "", fmt.Errorf("has the item %s, which is no curve that is known", printable(item))
			}
			if !slices.Contains(list, curve) {
				list = append(list, curve)
			}
		}
		return strings.Join(list, ":"), nil
	},
	Print: keep,
	Edges: append([]string{"auto", strings.Join(sortedKeys(curves), ":")}, sortedKeys(curves)...),
}

var ticketKeyKind = Kind[nginx.Secret]{
	Name: "48 or 80 bytes in base64",
	Parse: func(s string) (nginx.Secret, error) {
		key, err := base64.StdEncoding.DecodeString(s)
		if err != nil || len(key) != 48 && len(key) != 80 {
			return nginx.Secret{}, notA("48 or 80 bytes in base64")
		}
		return nginx.NewSecret(string(key)), nil
	},
	Print: func(nginx.Secret) string { return "" }, // also to those who ask for it
	Edges: []string{strings.Repeat("AAAA", 16), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xff", 80)))},
}

type timeUnit struct {
	name  string
	value time.Duration
}

// timeUnits are NGINX's, the longest first, as they have to stand.
var timeUnits = []timeUnit{
	{"y", 365 * 24 * time.Hour}, {"M", 30 * 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute},
	{"s", time.Second},
}

// timeKind is a time as NGINX writes it: numbers with units, blanks between them, seconds without one.
var timeKind = Kind[time.Duration]{
	Name: "a time such as 90s or 1h 30m",
	Parse: func(s string) (time.Duration, error) {
		const longest = 365 * 24 * time.Hour
		var sum time.Duration
		rest, from := s, 0
		for rest != "" {
			digits := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
			if digits < 0 {
				digits = len(rest)
			}
			n, err := parseInt(rest[:digits], 0, maxSeconds)
			if err != nil {
				return 0, notA("a time such as 90s or 1h 30m")
			}
			rest = rest[digits:]
			unit := len(timeUnits) - 1
			if rest != "" && rest[0] != ' ' {
				unit = slices.IndexFunc(timeUnits, func(u timeUnit) bool { return u.name == rest[:1] })
				rest = rest[1:]
			}
			if unit < from {
				return 0, notA("a time such as 90s or 1h 30m")
			}
			from, rest = unit+1, strings.TrimLeft(rest, " ")
			if time.Duration(n) > longest/timeUnits[unit].value {
				return 0, errors.New("is longer than a year")
			}
			sum += time.Duration(n) * timeUnits[unit].value
		}
		if s == "" || sum > longest {
			return 0, notA("a time of at most a year")
		}
		return sum, nil
	},
	Print: func(d time.Duration) string { return nginx.Seconds(d).Value() },
	Edges: []string{"0", "1", "1h 30m", "1d12h", "1y"},
}
