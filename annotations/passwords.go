package annotations

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// maxUsers is the longest list of users that is written: NGINX reads it from the start for every request.
const maxUsers = 256 << 10

// users is a list of users with hashes of their passwords, as auth_basic_user_file takes it.
type users struct {
	text     strings.Builder
	seen     map[string]bool
	left     int // users with a password that NGINX cannot check, or that would keep a worker busy for long
	overlong bool
}

// add notes one user. As in NGINX the first of two with one name counts.
func (u *users) add(name, hash string) {
	switch {
	case u.seen[name]:
		return
	case name == "" || name[0] == '#' || strings.ContainsFunc(name+hash, isControl) || !checkable(hash):
		u.left++
		return
	case u.text.Len()+len(name)+len(hash)+2 > maxUsers:
		u.overlong = true
		return
	}
	u.seen[name] = true
	u.text.WriteString(name + ":" + hash + "\n")
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// usersInFile reads lines of name:hash, with comments behind a further colon.
func usersInFile(text []byte) *users {
	u := &users{seen: map[string]bool{}}
	for line := range bytes.Lines(text) {
		entry := strings.TrimRight(string(line), "\r\n")
		if entry == "" || entry[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(entry, ":")
		hash, _, _ := strings.Cut(rest, ":")
		u.add(name, hash)
	}
	return u
}

// usersInMap reads keys that are names and values that are hashes.
func usersInMap(data map[string][]byte) *users {
	u := &users{seen: map[string]bool{}}
	for _, name := range sortedKeys(data) {
		hash, _, _ := strings.Cut(strings.TrimSpace(string(data[name])), ":")
		u.add(name, hash)
	}
	return u
}

// file is the list itself.
func (u *users) file() nginx.Secret { return nginx.NewSecret(u.text.String()) }

// What of a hash says how much work it is. A worker that checks one serves nobody meanwhile.
const (
	mostBcrypt = 12      // about a quarter of a second
	mostRounds = 100_000 // of SHA-256 and SHA-512, about the same
)

var (
	bcryptHash   = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./0-9A-Za-z]{53}$`)
	shaHash      = regexp.MustCompile(`^\$[56]\$(?:rounds=([0-9]{1,9})\$)?[^$:]{1,16}\$[./0-9A-Za-z]{43,86}$`)
	md5Hash      = regexp.MustCompile(`^\$(?:1|apr1)\$[^$:]{1,8}\$[./0-9A-Za-z]{22}$`)
	desHash      = regexp.MustCompile(`^[./0-9A-Za-z]{13}$`)
	yescryptHash = regexp.MustCompile(`^\$y\$j(?:75|85|7T|8T|9T|AT)\$[./0-9A-Za-z]{1,86}\$[./0-9A-Za-z]{43}$`) // costs 1 to 6 of Debian's crypt
)

// checkable tells whether NGINX, with the crypt of Debian, can check passwords against the hash in reasonable time.
func checkable(hash string) bool {
	for scheme, least := range map[string]int{"{SHA}": 20, "{SSHA}": 21} {
		if text, is := strings.CutPrefix(hash, scheme); is {
			raw, err := base64.StdEncoding.DecodeString(text)
			return err == nil && len(raw) >= least
		}
	}
	if strings.HasPrefix(hash, "{PLAIN}") {
		return true
	}
	if found := bcryptHash.FindStringSubmatch(hash); found != nil {
		cost, err := strconv.Atoi(found[1])
		return err == nil && cost >= 4 && cost <= mostBcrypt
	}
	if found := shaHash.FindStringSubmatch(hash); found != nil {
		rounds, err := strconv.Atoi(found[1])
		return found[1] == "" || err == nil && rounds >= 1000 && rounds <= mostRounds
	}
	return md5Hash.MatchString(hash) || desHash.MatchString(hash) || yescryptHash.MatchString(hash)
}
