package report

import (
	"encoding/xml"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Point of a curve.
type point struct{ x, y float64 }

// series is a curve, with its name beside it.
type series struct {
	name   string
	points []point
}

// chart is a drawing of curves.
type chart struct {
	title, below, horizontal, vertical string
	logX                               bool
	curves                             []series
}

// Sizes in pixels.
const (
	width, height = 720, 360
	left, right   = 70, 170 // the names of curves stand at the right
	top, bottom   = 40, 70
)

// colours can be told apart by people who do not see all of them: Okabe and Ito, Color Universal Design.
var colours = []string{"#000000", "#e69f00", "#0072b2", "#d55e00", "#009e73", "#cc79a7"}

// Curves are drawings in SVG, by file name.
func (r *Report) Curves() map[string]string {
	files := map[string]string{}
	below := fmt.Sprintf("commit %s · %s", r.Commit, r.Machine)
	for _, result := range r.Results {
		if result.Course {
			c := chart{title: result.Row + ": " + result.Quantity, below: below, horizontal: "seconds", vertical: result.Unit}
			for _, subject := range r.Subjects {
				c.add(subject, course(result.Samples[subject]))
			}
			files[fileName(result.Row, result.Quantity)] = c.svg()
		}
	}
	for name, results := range r.bySize() {
		for _, q := range results[0].quantiles() {
			c := chart{title: results[0].Row + ": " + results[0].Quantity + suffix(results[0], q), below: below, horizontal: "Ingresses", vertical: results[0].Unit, logX: true}
			for _, subject := range r.Subjects {
				var points []point
				for _, result := range results {
					if samples := result.Samples[subject]; len(samples) > 0 {
						points = append(points, point{float64(result.Ingresses), quantile(samples, q)})
					}
				}
				c.add(subject, points)
			}
			files[fileName(name, suffix(results[0], q))] = c.svg()
		}
	}
	return files
}

func suffix(r *Result, q float64) string {
	if len(r.Quantiles) == 0 {
		return ""
	}
	return fmt.Sprintf(", p%.0f", 100*q)
}

// bySize are results with a curve that were measured at several sizes.
func (r *Report) bySize() map[string][]*Result {
	lists := map[string][]*Result{}
	for _, result := range r.Results {
		if result.Curve {
			name := result.Row + " " + result.Quantity
			lists[name] = append(lists[name], result)
		}
	}
	maps.DeleteFunc(lists, func(_ string, list []*Result) bool { return len(list) < 2 })
	return lists
}

func course(samples []float64) []point {
	var points []point
	for i, y := range samples {
		points = append(points, point{float64(i), y})
	}
	return points
}

// fileName is made of the words of a title.
func fileName(parts ...string) string {
	words := strings.FieldsFunc(strings.ToLower(strings.Join(parts, " ")), func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9')
	})
	return strings.Join(words, "-") + ".svg"
}

func (c *chart) add(name string, points []point) {
	if len(points) > 0 {
		c.curves = append(c.curves, series{name, points})
	}
}

// scale is the vertical axis: its ends, and where numbers stand. It is logarithmic if curves are far apart, and none
// touches 0; else it begins there.
type scale struct {
	least, most float64
	log         bool
	marks       []float64
}

func (c *chart) scale() scale {
	least, most := math.Inf(1), 0.0
	for _, s := range c.curves {
		for _, p := range s.points {
			least, most = min(least, p.y), max(most, p.y)
		}
	}
	if least > 0 && most/least > 100 {
		s := scale{math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(most))), true, nil}
		for y := s.least; y <= s.most*1.01; y *= 10 {
			s.marks = append(s.marks, y)
		}
		return s
	}
	step := niceStep(most)
	s := scale{0, max(step, math.Ceil(most/step)*step), false, nil}
	for y := 0.0; y <= s.most+step/2; y += step {
		s.marks = append(s.marks, y)
	}
	return s
}

// share is how far up a value is, from 0 to 1.
func (s scale) share(y float64) float64 {
	if s.log {
		return math.Log(y/s.least) / math.Log(s.most/s.least)
	}
	return (y - s.least) / (s.most - s.least)
}

// svg draws the chart. The horizontal axis begins at 0, or at 1 if it is logarithmic.
func (c *chart) svg() string {
	var maxX float64
	for _, s := range c.curves {
		for _, p := range s.points {
			maxX = max(maxX, p.x)
		}
	}
	scaleX := func(x float64) float64 { return x / max(maxX, 1) }
	if c.logX {
		scaleX = func(x float64) float64 { return math.Log10(x) / max(math.Log10(maxX), 1) }
	}
	vertical := c.scale()
	atX := func(x float64) float64 { return left + scaleX(x)*(width-left-right) }
	atY := func(y float64) float64 { return height - bottom - vertical.share(y)*(height-top-bottom) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	text(&b, left, 22, "start", "bold", c.title)
	text(&b, left, height-10, "start", "normal", c.below)
	text(&b, (left+width-right)/2, height-32, "middle", "normal", c.horizontal)
	text(&b, left-8, top-8, "end", "normal", c.vertical)
	for _, y := range vertical.marks {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#dddddd"/>`+"\n", left, atY(y), width-right)
		text(&b, left-8, atY(y)+4, "end", "normal", label(y))
	}
	for _, x := range c.marks(maxX) {
		text(&b, atX(x), height-bottom+18, "middle", "normal", label(x))
	}
	names := apart(c.curves, atY)
	for i, s := range c.curves {
		colour := colours[i%len(colours)]
		var path []string
		for _, p := range s.points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", atX(p.x), atY(p.y)))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), colour)
		fmt.Fprintf(&b, `<g fill="%s">`, colour)
		text(&b, width-right+8, names[i], "start", "normal", s.name)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func text(b *strings.Builder, x, y float64, anchor, weight, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-weight="%s">`, x, y, anchor, weight)
	_ = xml.EscapeText(b, []byte(s)) // a Builder takes everything
	b.WriteString("</text>\n")
}

// apart are the heights of the names: at the ends of their curves, but not one over the other.
func apart(curves []series, atY func(float64) float64) []float64 {
	const line = 15
	order := make([]int, len(curves))
	names := make([]float64, len(curves))
	for i, s := range curves {
		order[i], names[i] = i, atY(s.points[len(s.points)-1].y)+4
	}
	slices.SortFunc(order, func(a, b int) int { return int(names[a] - names[b]) })
	for n := 1; n < len(order); n++ {
		names[order[n]] = max(names[order[n]], names[order[n-1]]+line)
	}
	return names
}

// marks are where the horizontal axis has numbers: where something was measured, or every so often.
func (c *chart) marks(maxX float64) []float64 {
	var list []float64
	if !c.logX {
		for x, step := 0.0, niceStep(maxX); x <= maxX; x += step {
			list = append(list, x)
		}
		return list
	}
	for _, s := range c.curves {
		for _, p := range s.points {
			list = append(list, p.x)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// niceStep divides a scale into four to ten parts of 1, 2 or 5 times a power of ten.
func niceStep(most float64) float64 {
	if most <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(most/4)))
	for _, n := range []float64{5, 2} {
		if n*power <= most/4 {
			return n * power
		}
	}
	return power
}

func label(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.6f", v), "0"), ".")
}
