package nginx

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Directive is one line of configuration, or a block of them.
type Directive struct {
	Name string // a directive's name that we wrote, never user text
	Args []Arg
	// Block holds the directives of a block. A nil Block ends the line with a semicolon, an empty one
	// is written as braces with nothing in them.
	Block []Directive
	// File is what the last argument names, if that is a file of the configuration's own; see WithFile.
	File *DirectiveFile
	// Inquiry is what the last argument names, if that is one; see Ask.
	Inquiry *Inquiry

	raw  string // see Raw; it has none of the above then
	says []Parsed
}

// D is a directive without a block.
func D(name string, args ...Arg) Directive { return Directive{Name: name, Args: args} }

// Encode writes the directive with the given indent, including the line end.
func (d Directive) Encode(indent string) (string, error) {
	var b bytes.Buffer
	if err := d.write(&b, indent); err != nil {
		return "", err
	}
	return b.String(), nil
}

func (d Directive) write(b *bytes.Buffer, indent string) error {
	if d.raw != "" {
		b.WriteString(indent)
		b.WriteString(d.raw)
		b.WriteByte('\n') // ends a comment that the text may end in
		return nil
	}
	if !isDirectiveName(d.Name) {
		return fmt.Errorf("%q is not the name of a directive", shorten(d.Name))
	}
	b.WriteString(indent)
	b.WriteString(d.Name)
	if err := d.writeArgs(b, " "); err != nil {
		return err
	}
	if d.Block == nil {
		b.WriteString(";\n")
		return nil
	}
	b.WriteString(" {\n")
	for _, inner := range d.Block {
		write := inner.write
		if hasEntries(d.Name) {
			write = inner.writeEntry
		}
		if err := write(b, indent+"  "); err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
	}
	b.WriteString(indent)
	b.WriteString("}\n")
	return nil
}

// writeArgs writes the arguments, with a separator before each.
func (d Directive) writeArgs(b *bytes.Buffer, separator string) error {
	for _, a := range d.Args {
		s, err := a.Encode()
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		b.WriteString(separator)
		b.WriteString(s)
		separator = " "
	}
	return nil
}

// writeEntry writes what Entry has made.
func (d Directive) writeEntry(b *bytes.Buffer, indent string) error {
	if d.Name != "" || d.raw != "" || len(d.Args) < 2 {
		return fmt.Errorf("%q is not an entry", shorten(d.Name))
	}
	if err := d.writeArgs(b, indent); err != nil {
		return err
	}
	b.WriteString(";\n")
	return nil
}

func isDirectiveName(s string) bool {
	if s == "" {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool {
		return c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9')
	}) < 0
}

// Directives is a list of directives in the order in which they are written.
type Directives []Directive

// Encode writes the directives with the given indent.
func (ds Directives) Encode(indent string) (string, error) {
	var b bytes.Buffer
	for _, d := range ds {
		if err := d.write(&b, indent); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// Add appends a directive.
func (ds *Directives) Add(name string, args ...Arg) { *ds = append(*ds, D(name, args...)) }

// group is the name of the group of directives that NGINX inherits together: a location with one allow or deny
// inherits no other.
func (d Directive) group() string {
	if d.Name == "deny" {
		return "allow"
	}
	return d.Name
}

// Groups maps the name of each group of directives to the encoded text of all directives in it.
func (ds Directives) Groups() map[string]string {
	m := make(map[string]string, len(ds))
	for _, d := range ds {
		// An argument that cannot be encoded fails when the location is written; here it only has
		// to differ from everything else.
		s, err := d.Encode("")
		if err != nil {
			s = "\x00" + err.Error()
		}
		m[d.group()] += s
	}
	return m
}

// Without leaves out every directive whose group stands in inherited with the same bytes: NGINX inherits
// the directives of a name from the level above exactly when the level below has none of that name.
func (ds Directives) Without(inherited map[string]string) Directives {
	// rest is, by group, what its directives have yet to say if they are to say the same.
	const other = "\x00" // which no directive begins with
	rest := make(map[string]string, len(ds))
	var text bytes.Buffer
	for _, d := range ds {
		group := d.group()
		left, begun := rest[group]
		if !begun {
			if left, begun = inherited[group]; !begun {
				continue
			}
		}
		text.Reset()
		// An argument that cannot be encoded fails when the location is written.
		if err := d.write(&text, ""); err != nil || len(left) < text.Len() || left[:text.Len()] != text.String() {
			rest[group] = other
		} else {
			rest[group] = left[text.Len():]
		}
	}
	var out Directives
	for _, d := range ds {
		if left, same := rest[d.group()]; !same || left != "" {
			out = append(out, d)
		}
	}
	return out
}

// Renamed are the directives with another variable in place of one.
func (ds Directives) Renamed(variable, other string) Directives {
	out := slices.Clone(ds)
	for i, d := range out {
		out[i] = d.inPlaceOf(variable, other)
		out[i].Args = slices.Clone(d.Args)
		for n, a := range d.Args {
			out[i].Args[n] = a.Renamed(func(name string) string {
				if name == variable {
					return other
				}
				return name
			})
		}
		out[i].Block = Directives(d.Block).Renamed(variable, other)
		if d.Inquiry != nil {
			out[i] = subrequest(d.Name, d.Inquiry.Body.Renamed(variable, other), d.Inquiry.Copies)
		}
	}
	return out
}

// Use tells whether one of the directives refers to a variable.
func (ds Directives) Use(variable string) bool {
	return slices.ContainsFunc(ds, func(d Directive) bool {
		return d.mentions(variable) || d.Inquiry != nil && d.Inquiry.Body.Use(variable) || slices.ContainsFunc(d.Args, func(a Arg) bool { return a.Uses(variable) }) || Directives(d.Block).Use(variable)
	})
}
