package nginx

import (
	"slices"
	"strings"
)

// Layout says which lines of nginx.conf were made of which part of a Config. It is how a line that NGINX refuses finds its owner,
// without a comment in the file. It goes by where texts were put, not by what they say, so no text can point at somebody else.
type Layout []Placed

// Placed is a server block in nginx.conf. Servers stand in the order of the file.
type Placed struct {
	Server *Server
	Span          // from the first line of the file
	Parts  []Span // of its Locations, or else of its Shapes, from the first line of the block; without lines if not found
}

// Span is a range of lines.
type Span struct{ First, Lines int32 } // First is from 0

func (s Span) has(line int) bool { return line >= int(s.First) && line < int(s.First+s.Lines) }

// Origin is what a line was made of.
type Origin struct {
	Server   *Server   // nil for what belongs to no host
	Location *Location // of the server; nil for lines of the server's own
	Shape    *Shape    // in place of Location where routes are data
	Opens    bool      // it is the line with which the block of the Location or Shape begins
}

// At returns what a line was made of; lines count from 1.
func (l Layout) At(line int) Origin {
	line--
	at, _ := slices.BinarySearchFunc(l, line, func(p Placed, line int) int {
		switch {
		case p.has(line):
			return 0
		case int(p.First) > line:
			return 1
		}
		return -1
	})
	if at == len(l) || !l[at].has(line) {
		return Origin{}
	}
	placed := l[at]
	origin := Origin{Server: placed.Server}
	line -= int(placed.First)
	part := slices.IndexFunc(placed.Parts, func(s Span) bool { return s.has(line) })
	if part < 0 {
		return origin
	}
	origin.Opens = line == int(placed.Parts[part].First)
	if part < len(origin.Server.Locations) {
		origin.Location = origin.Server.Locations[part]
	} else {
		origin.Shape = origin.Server.Shapes[part-len(origin.Server.Locations)]
	}
	return origin
}

// Spans finds the lines of texts that stand in another one after the other, from its first line. What is not found, as a custom
// template left it out, has no lines, and nor has what comes behind it.
func Spans(text string, parts []string) []Span {
	spans := make([]Span, len(parts))
	line := 0
	for i, part := range parts {
		at := strings.Index(text, part)
		if at < 0 || part == "" {
			break
		}
		line += strings.Count(text[:at], "\n")
		lines := strings.Count(part, "\n")
		spans[i] = Span{int32(line), int32(lines)}
		if !strings.HasSuffix(part, "\n") {
			spans[i].Lines++
		}
		line, text = line+lines, text[at+len(part):]
	}
	return spans
}

// String names the object, as in "Ingress shop/web", or the host, as in "host shop.example.com"; "" for nobody.
func (o Origin) String() string {
	switch {
	case o.Location != nil && o.Location.Owner != "":
		return o.Location.Owner
	case o.Shape != nil && o.Shape.Owner != "":
		return o.Shape.Owner
	case o.Server != nil && len(o.Server.Names()) > 0:
		return "host " + o.Server.Names()[0].Value()
	}
	return ""
}
