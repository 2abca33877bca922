package annotations

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Ciphers is a list of ciphers for TLS up to 1.2, as OpenSSL reads it (openssl-ciphers(1)), of letters, digits and the
// given further characters. A list that leaves no cipher keeps NGINX from starting, so at least one of those that
// everybody has must be left.
func Ciphers(key, def, further string) *Setting[string] {
	parse := func(s string) (string, error) {
		text, err := only(strings.Join(strings.Fields(s), ""), further)
		if err != nil {
			return "", err
		}
		return text, checkCiphers(text)
	}
	edges := []string{"DEFAULT", "HIGH:!aNULL:!MD5", "AES128-SHA", "ECDHE+AESGCM:!RSA:UNKNOWN", "ALL:-AES:+SHA1:AES128-SHA", strings.Repeat("A:", 940) + "HIGH"}
	if strings.Contains(further, "@") {
		edges = append(edges, "HIGH:@STRENGTH", "ALL:@SECLEVEL=0", "DEFAULT@SECLEVEL=2")
	}
	return New(key, Kind[string]{"a list of ciphers as OpenSSL writes it", parse, keep, edges}, def)
}

// commonCiphers are those of TLS up to 1.2 that OpenSSL 3 has by default.
var commonCiphers = func() (list []string) {
	modern := []string{"AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"}
	for _, exchange := range []string{"ECDHE-ECDSA-", "ECDHE-RSA-", "DHE-RSA-"} {
		for _, rest := range modern {
			list = append(list, exchange+rest)
		}
		list = append(list, exchange+"AES128-SHA", exchange+"AES256-SHA", exchange+"AES128-SHA256")
	}
	list = append(list, "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384", "DHE-RSA-AES256-SHA256")
	return append(list, "AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA256", "AES256-SHA256", "AES128-SHA", "AES256-SHA")
}()

// harmless are the words of OpenSSL that take none of the common ciphers away.
var harmless = strings.Fields(`aNULL eNULL NULL COMPLEMENTOFALL COMPLEMENTOFDEFAULT EXPORT EXP EXPORT40 EXPORT56 LOW MEDIUM DES 3DES RC2 RC4 IDEA
	SEED MD5 PSK kPSK aPSK kECDHEPSK kDHEPSK kRSAPSK SRP kSRP aSRP CAMELLIA CAMELLIA128 CAMELLIA256 ARIA ARIA128 ARIA256 ARIAGCM AESCCM AESCCM8 DSS
	aDSS KRB5 kKRB5 aKRB5 ADH AECDH aDH kDHr kDHd kDH kECDHr kECDHe aECDH GOST94 GOST89MAC aGOST aGOST01 kGOST SSLv2`)

// hasProperty tells whether a cipher is one of those that a word of OpenSSL stands for.
func hasProperty(cipher, word string) bool {
	rsaExchange := !strings.Contains(cipher, "DHE-")
	aead := strings.Contains(cipher, "GCM") || strings.Contains(cipher, "POLY1305")
	switch word {
	case "ALL", "DEFAULT", "HIGH":
		return true
	case "ECDHE", "EECDH", "kEECDH", "kECDHE", "ECDH":
		return strings.HasPrefix(cipher, "ECDHE-")
	case "DHE", "EDH", "kEDH", "kDHE", "DH":
		return strings.HasPrefix(cipher, "DHE-")
	case "kRSA", "RSA":
		return rsaExchange
	case "aRSA":
		return !strings.Contains(cipher, "ECDSA")
	case "ECDSA", "aECDSA":
		return strings.Contains(cipher, "ECDSA")
	case "AES":
		return strings.Contains(cipher, "AES")
	case "AES128", "AES256", "CHACHA20":
		return strings.Contains(cipher, word)
	case "AESGCM":
		return strings.Contains(cipher, "GCM")
	case "SHA", "SHA1":
		return strings.HasSuffix(cipher, "-SHA")
	case "SHA256", "SHA384":
		return !aead && strings.HasSuffix(cipher, "-"+word)
	case "TLSv1.2":
		return aead || strings.HasSuffix(cipher, "SHA256") || strings.HasSuffix(cipher, "SHA384")
	case "TLSv1", "SSLv3":
		return strings.HasSuffix(cipher, "-SHA") && strings.HasPrefix(cipher, "ECDHE-") == (word == "TLSv1")
	}
	return word == cipher
}

// cipherItem is one item of a list: an operator, words that all have to be true of a cipher, and a command. From security level
// 3 on, OpenSSL refuses RSA keys of 2048 bits, and with them NGINX the configuration.
var cipherItem = regexp.MustCompile(`^([-!+]?)([A-Za-z0-9][A-Za-z0-9_-]*(?:\+[A-Za-z0-9][A-Za-z0-9_-]*)*)?(@STRENGTH|@SECLEVEL=[0-2])?$`)

// checkCiphers refuses lists that OpenSSL cannot read or that may leave no cipher. It knows what the common ciphers are,
// and takes no other into account.
func checkCiphers(text string) error {
	var left []string
	killed := map[string]bool{}
	for n, item := range strings.Split(text, ":") {
		found := cipherItem.FindStringSubmatch(item)
		if found == nil || found[2] == "" && (found[1] != "" || found[3] == "") {
			return fmt.Errorf("has the item %s, which OpenSSL does not take", printable(item))
		}
		operator, words := found[1], strings.Split(found[2], "+")
		matches := func(cipher string) bool {
			return !slices.ContainsFunc(words, func(word string) bool { return !hasProperty(cipher, word) })
		}
		switch {
		case found[2] == "", operator == "+": // an order, not a choice
		case operator == "" && found[2] == "DEFAULT" && n > 0: // means something at the start only
		case operator == "":
			for _, cipher := range commonCiphers {
				if matches(cipher) && !killed[cipher] && !slices.Contains(left, cipher) {
					left = append(left, cipher)
				}
			}
		case slices.ContainsFunc(words, isHarmless):
		default:
			for _, cipher := range commonCiphers {
				if matches(cipher) || !isKnown(words) {
					left = slices.DeleteFunc(left, func(c string) bool { return c == cipher })
					killed[cipher] = killed[cipher] || operator == "!"
				}
			}
		}
	}
	if len(left) == 0 {
		return errors.New("leaves none of the ciphers that every OpenSSL has")
	}
	return nil
}

func isHarmless(word string) bool { return slices.Contains(harmless, word) }

// isKnown tells whether all words stand for common ciphers. What another one takes away is not known here.
func isKnown(words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool {
		return !slices.ContainsFunc(commonCiphers, func(cipher string) bool { return hasProperty(cipher, word) })
	})
}
