package nginx

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Need asks for a directive of the http level that the location refers to, such as a shared memory zone. Its name has to be made of
// what it says: many locations ask for the same one, and it is written once.
func (l *Location) Need(d Directive) {
	digest := d.Digest()
	if !slices.ContainsFunc(l.Needs, func(other Directive) bool { return other.Digest() == digest }) {
		l.Needs = append(l.Needs, d)
	}
}

// Derive asks for a block of map or geo, and returns the variable that it gives. The entries are made by Entry.
func (l *Location) Derive(block string, source Arg, entries []Directive) Arg {
	d := Directive{Name: block, Args: []Arg{source}, Block: entries}
	variable := Var(block + "_" + d.Digest())
	d.Args = append(d.Args, variable)
	l.Need(d)
	return variable
}

// Entry is a line of a block of map, geo or geoip2; lines of the latter may have more than one value.
func Entry(key, value Arg, more ...Arg) Directive {
	return Directive{Args: append([]Arg{key, value}, more...)}
}

// hasEntries tells whether the lines in the block of a directive are no directives.
func hasEntries(name string) bool { return name == "map" || name == "geo" || name == "geoip2" }

// Digest is 16 characters that are the same for directives with the same text only.
func (d Directive) Digest() string {
	text, err := d.Encode("") // Location.Check says what is wrong
	sum := sha256.Sum256(fmt.Append(nil, text, err))
	return hex.EncodeToString(sum[:8])
}
