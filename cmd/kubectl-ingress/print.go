package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"sigs.k8s.io/yaml"
)

// format is -o: how a command prints.
type format string

const (
	table format = ""
	wide  format = "wide"
	js    format = "json"
	yml   format = "yaml"
)

// addFormat adds -o to a command.
func addFormat(cmd *cobra.Command, f *format, allowed ...format) {
	cmd.Flags().VarP(&formatFlag{f, allowed}, "output", "o", "how to print: "+strings.Join(names(allowed), ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(names(allowed), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}

func names(formats []format) []string {
	var list []string
	for _, f := range formats {
		list = append(list, string(f))
	}
	return list
}

type formatFlag struct {
	*format
	allowed []format
}

// String implements pflag.Value.
func (f *formatFlag) String() string {
	if f.format == nil {
		return ""
	}
	return string(*f.format)
}

// Type implements pflag.Value.
func (f *formatFlag) Type() string { return "format" }

// Set implements pflag.Value.
func (f *formatFlag) Set(text string) error {
	if !slices.Contains(f.allowed, format(text)) {
		return fmt.Errorf("must be one of %s", strings.Join(names(f.allowed), ", "))
	}
	*f.format = format(text)
	return nil
}

// print writes a value as JSON or YAML.
func (f format) print(w io.Writer, value any) error {
	if f == yml {
		text, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("write YAML: %w", err)
		}
		_, err = w.Write(text)
		return err
	}
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// isData tells whether programs are to read what is printed.
func (f format) isData() bool { return f == js || f == yml }

// columns writes rows with their cells below each other, as kubectl does.
func columns(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = plain(cell)
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// plain keeps texts of users from moving the cursor or adding lines.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// colours are the escape codes for a terminal, or nothing for anything else.
type colours struct{ on bool }

// coloursFor follows https://no-color.org.
func coloursFor(w io.Writer) colours {
	file, isFile := w.(*os.File)
	return colours{isFile && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))}
}

func (c colours) paint(code, text string) string {
	if !c.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (c colours) red(text string) string    { return c.paint("31", text) }
func (c colours) yellow(text string) string { return c.paint("33", text) }
func (c colours) green(text string) string  { return c.paint("32", text) }
func (c colours) bold(text string) string   { return c.paint("1", text) }
