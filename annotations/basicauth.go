package annotations

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	authType = New("auth-type", authTypeKind, "").Bad(Refuse).Example("basic").
			Doc("`basic` asks clients for a name and a password. `digest` is not supported: the NGINX of Debian has no module for it.")
	authSecret = SecretRef("auth-secret").Bad(Deny).Example("shop/users").
			Doc("Secret with the users, as NAME or NAMESPACE/NAME. Hashes of passwords may be of bcrypt up to a cost of 12, SHA-256 and SHA-512 up to 100,000 rounds, yescrypt, MD5, apr1, DES, {SHA}, {SSHA} or {PLAIN}. Changing it needs a reload.")
	authSecretType = Enum("auth-secret-type", "auth-file", false, "auth-file", "auth-map").Bad(Refuse).Example("auth-map").
			Doc("Where the Secret has them: in its key `auth`, lines of name:hash (auth-file), or each under the user's name (auth-map).")
	authRealm = New("auth-realm", realmKind, "").Bad(Refuse).Example("Shop - staff only").
			Doc("What browsers say that the password is for.")
	satisfy = Enum("satisfy", "all", false, "any", "all").Example("any").
		Doc("Whether requests have to pass the IP lists and authentication, or one of them.")
	noAuthLocations = Words("no-auth-locations", "/.well-known/acme-challenge").ConfigOnly().Example("/.well-known/acme-challenge,/public").
			Doc("Paths of Ingresses that begin with one of these need no authentication.")
)

var basicAuth = Feature{
	Name:     "Authentication by name and password",
	Settings: Settings{authType, authSecret, authSecretType, authRealm, satisfy, noAuthLocations},
	Location: func(v Values, l *nginx.Location) error {
		if satisfy.In(v) == "any" {
			l.Body.Add("satisfy", nginx.Verbatim("any"))
		}
		if authType.In(v) == "" {
			return withoutType(v)
		}
		if needsNoAuth(v, l.Identity.Path) {
			return nil
		}
		list, err := usersOf(v)
		if err != nil {
			return err
		}
		l.Body.Add("auth_basic", nginx.Text(authRealm.In(v)))
		l.Body = append(l.Body, nginx.WithWorkersFile("auth_basic_user_file", list.file()))
		l.SetHeader("Authorization", nginx.Text(""))
		return complain(v, list)
	},
}

// withoutType reports what means nothing without auth-type, as in ingress-nginx.
func withoutType(v Values) error {
	if !authSecret.Given(v) {
		return nil
	}
	return Mistake(authSecret, Conflict, "without auth-type nobody is asked for a password")
}

// needsNoAuth tells whether the path of an Ingress is exempt from all authentication.
func needsNoAuth(v Values, path string) bool {
	return slices.ContainsFunc(noAuthLocations.In(v), func(start string) bool { return strings.HasPrefix(path, start) })
}

// usersOf finds the users, or says why nobody can be let in.
func usersOf(v Values) (*users, error) {
	ref := authSecret.In(v)
	if ref == nil {
		return nil, Denial(authType, Conflict, "without auth-secret there is nobody to let in")
	}
	name := ObjectName{ref.Namespace, ref.Name}
	if name.Namespace == "" {
		name.Namespace = v.Namespace
	}
	if err := checkNamespace(v, authSecret, "Secret", name); err != nil {
		return nil, err
	}
	data := v.Lookup.Secret(name.Namespace, name.Name)
	if data == nil {
		return nil, missingSecret(authSecret, name)
	}
	if authSecretType.In(v) == "auth-map" {
		return usersInMap(data), nil
	}
	text, has := data["auth"]
	if !has {
		return nil, Denial(authSecret, InvalidCertificate, "Secret %s has no key auth", name)
	}
	return usersInFile(text), nil
}

// complain reports users who cannot log in. It names none of them: they stand in a Secret.
func complain(v Values, list *users) error {
	var some []error
	if list.left > 0 {
		some = append(some, Mistake(authSecret, InvalidValue, "users of Secret %s (%d) have a password that NGINX cannot check, or not in reasonable time; they are not let in",
			authSecret.In(v).Name, list.left))
	}
	if list.overlong {
		some = append(some, Mistake(authSecret, InvalidValue, "Secret %s has more than %d KiB of users; those at the end are not let in", authSecret.In(v).Name, maxUsers>>10))
	}
	if list.text.Len() == 0 {
		some = append(some, Mistake(authSecret, InvalidValue, "Secret %s has no user who could be let in; everybody gets 401", authSecret.In(v).Name))
	}
	return errors.Join(some...)
}

var authTypeKind = Kind[string]{
	Name: "basic",
	Parse: func(s string) (string, error) {
		switch strings.TrimSpace(s) {
		case "basic":
			return "basic", nil
		case "digest":
			return "", errors.New("is not supported, as the NGINX of Debian has no module for it")
		}
		return "", notA("basic")
	},
	Print: keep,
	Edges: []string{"basic"},
}

// realmKind is the text of a realm. NGINX takes one word for a switch.
var realmKind = Kind[string]{
	Name: "a text of letters, digits, blanks and -._~/:",
	Parse: func(s string) (string, error) {
		text, err := only(strings.TrimSpace(s), basicChars+" ")
		if err == nil && text == "off" {
			err = fmt.Errorf("would switch authentication off in NGINX")
		}
		return text, err
	},
	Print: keep,
	Edges: textEdges(basicChars),
}
