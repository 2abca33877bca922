package statuspage

import (
	_ "embed"
	"fmt"
	"html/template"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/controller/view"
)

//go:embed static/page.html
var markup string

var page = template.Must(template.New("").Funcs(template.FuncMap{
	"ago":   ago,
	"short": short,
	"clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"day":   func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"duration": func(seconds float64) string {
		return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond).String()
	},
	"address":  address,
	"symbol":   symbol,
	"peer":     peerRating,
	"severity": severityRating,
	"lookup":   lookup,
	"problems": func(r Route) string { return link("/problems", "Ingress "+r.Namespace+"/"+r.Ingress, 1) },
}).Parse(markup))

// shown is what the template gets.
type shown struct {
	Status
	Section Section
}

// tab is a link to a section.
type tab struct {
	Name, Link string
	Count      int
	IsCurrent  bool
	IsCounted  bool
}

// Tabs are the links to all sections. What is searched for is searched for in each.
func (s shown) Tabs() []tab {
	counts := map[Section]int{Routes: s.Totals.Routes, Certificates: s.Totals.TLSHosts, Problems: s.Totals.Errors + s.Totals.Warnings + s.Totals.Infos}
	var list []tab
	for _, of := range sections {
		count, is := counts[of.section]
		name := strings.ToUpper(string(of.section[:1])) + string(of.section[1:])
		to := of.path
		if of.section != Overview {
			to = link(of.path, s.Query, 1)
		}
		list = append(list, tab{Name: name, Link: to, Count: count, IsCurrent: of.section == s.Section, IsCounted: is})
	}
	return list
}

// Path is the address of the section that is searched: this one, or from the overview that of routes.
func (s shown) Path() string {
	for _, of := range sections {
		if of.section == s.Section && s.Section != Overview {
			return of.path
		}
	}
	return "/routes"
}

// Title names the section.
func (s shown) Title() string { return strings.ToUpper(string(s.Section[:1])) + string(s.Section[1:]) }

// pager are links to other pages of a list.
type pager struct {
	Total, Page, Pages  int
	First, Last         int // items on this page, from 1
	Query, What         string
	Previous, Next, All string // links; "" for none
}

// Pager is that of the section's list.
func (s shown) Pager() pager {
	p := pager{Query: s.Query, What: string(s.Section)}
	items := 0
	switch s.Section {
	case Routes:
		p.Total, p.Page, p.Pages, items = s.Routes.Total, s.Routes.Page, s.Routes.Pages, len(s.Routes.Items)
	case Certificates:
		p.Total, p.Page, p.Pages, items = s.Certificates.Total, s.Certificates.Page, s.Certificates.Pages, len(s.Certificates.Items)
	case Problems:
		p.Total, p.Page, p.Pages, items = s.Problems.Total, s.Problems.Page, s.Problems.Pages, len(s.Problems.Items)
	case Reloads:
		p.Total, p.Page, p.Pages, items = s.Reloads.Total, s.Reloads.Page, s.Reloads.Pages, len(s.Reloads.Items)
	}
	p.First = (p.Page-1)*perPage + 1
	p.Last = p.First + items - 1
	if p.Page > 1 {
		p.Previous = link(s.Path(), s.Query, p.Page-1)
	}
	if p.Page < p.Pages {
		p.Next = link(s.Path(), s.Query, p.Page+1)
	}
	if s.Query != "" {
		p.All = s.Path()
	}
	return p
}

// hostRoutes are the routes of a host that are on the page.
type hostRoutes struct {
	Host, TLS string
	Routes    []Route
}

// Hosts are the routes by host.
func (s shown) Hosts() []hostRoutes {
	var list []hostRoutes
	for _, r := range s.Routes.Items {
		if len(list) == 0 || list[len(list)-1].Host != r.Host {
			list = append(list, hostRoutes{Host: r.Host, TLS: r.TLS})
		}
		last := &list[len(list)-1]
		if last.TLS == "none" {
			last.TLS = r.TLS
		}
		last.Routes = append(last.Routes, r)
	}
	return list
}

// IsLive tells whether all new workers run what the newest plan wants.
func (s shown) IsLive() bool {
	return s.Plan.Generation != "" && s.NGINX.Generation == s.Plan.Generation
}

func address(p view.Peer) string {
	if p.Port == 0 {
		return p.Address
	}
	return net.JoinHostPort(p.Address, strconv.Itoa(p.Port))
}

// short is enough of a generation to know it again.
func short(generation string) string { return generation[:min(len(generation), 12)] }

// symbol says the same as the colour of a rating, which templates may have as a plain string.
func symbol(rating any) string {
	switch Rating(fmt.Sprint(rating)) {
	case Good:
		return "✓"
	case Note:
		return "•"
	case Warn:
		return "!"
	}
	return "✕"
}

func peerRating(s view.PeerState) Rating {
	switch s {
	case view.Serves, view.Resolved:
		return Good
	case view.SessionsOnly:
		return Note
	}
	return Warn
}

func severityRating(s cluster.Severity) Rating {
	switch s {
	case cluster.Error:
		return Bad
	case cluster.Warning:
		return Warn
	}
	return Note
}

// lookup is a link to the routes of an Ingress, or of whatever else has a name.
func lookup(of any) string {
	switch of := of.(type) {
	case Route:
		return link("/routes", of.Namespace+"/"+of.Ingress, 1)
	case translate.Object:
		if of.Kind == "Ingress" {
			return link("/routes", of.Namespace+"/"+of.Name, 1)
		}
		return link("/problems", of.String(), 1)
	}
	return link("/routes", fmt.Sprint(of), 1)
}

// ago is a time for people, with one unit; of what is yet to come too.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	text := "in %s"
	if d >= 0 {
		text = "%s ago"
	}
	d = d.Abs()
	var span string
	switch {
	case d < 2*time.Second:
		return "now"
	case d < 2*time.Minute:
		span = fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		span = fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		span = fmt.Sprintf("%d h", int(d.Hours()))
	case d < 2*365*24*time.Hour:
		span = fmt.Sprintf("%d days", int(d.Hours()/24))
	default:
		span = fmt.Sprintf("%d years", int(d.Hours()/24/365))
	}
	return fmt.Sprintf(text, span)
}
