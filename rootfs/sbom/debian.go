package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
)

// system is what os-release(5) says.
type system struct{ id, version string }

func (s system) String() string { return s.id + "-" + s.version }

func readSystem(root fs.FS) (system, error) {
	const name = "usr/lib/os-release"
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return system{}, err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = strings.Trim(value, `"'`)
	}
	s := system{values["ID"], values["VERSION_ID"]}
	if s.id == "" || s.version == "" {
		return system{}, fmt.Errorf("/%s: no ID or VERSION_ID", name)
	}
	return s, nil
}

// debianPackage is an installed binary package.
type debianPackage struct {
	name, version, architecture string
	source, sourceVersion       string   // which it was built from
	licenses                    []string // sorted; none if its copyright file cannot be read by a program
}

// readPackages reads dpkg's database, in the order of names.
func readPackages(root fs.FS) ([]debianPackage, error) {
	const name = "var/lib/dpkg/status"
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	var packages []debianPackage
	for stanzas := textproto.NewReader(bufio.NewReader(bytes.NewReader(text))); ; {
		fields, err := stanzas.ReadMIMEHeader() // deb822(5) has its syntax
		if len(fields) == 0 && errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("/%s: %w", name, err)
		}
		if !strings.HasSuffix(fields.Get("Status"), " ok installed") {
			continue
		}
		p := newPackage(fields)
		if p.licenses, err = readLicenses(root, p.name); err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	slices.SortFunc(packages, func(a, b debianPackage) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.architecture, b.architecture))
	})
	return packages, nil
}

func newPackage(fields textproto.MIMEHeader) debianPackage {
	p := debianPackage{name: fields.Get("Package"), version: fields.Get("Version"), architecture: fields.Get("Architecture")}
	p.source, p.sourceVersion = p.name, p.version
	if source := fields.Get("Source"); source != "" {
		name, version, hasOther := strings.Cut(source, " (") // written only where it differs
		p.source = name
		if hasOther {
			p.sourceVersion = strings.TrimSuffix(version, ")")
		}
	}
	return p
}

var licenseField = regexp.MustCompile(`(?m)^License:[ \t]*(\S.*?)[ \t]*$`)

// readLicenses reads a copyright file of the machine-readable format, Debian's DEP 5.
func readLicenses(root fs.FS, name string) ([]string, error) {
	text, err := fs.ReadFile(root, "usr/share/doc/"+name+"/copyright")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || !bytes.HasPrefix(text, []byte("Format:")) {
		return nil, err
	}
	var licenses []string
	for _, found := range licenseField.FindAllSubmatch(text, -1) {
		licenses = append(licenses, string(found[1]))
	}
	slices.Sort(licenses)
	return slices.Compact(licenses), nil
}
