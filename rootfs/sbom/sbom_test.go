package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
)

const debian = "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nVERSION_ID=\"13\"\nID=debian\n"

const status = `Package: zlib1g
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: zlib
Version: 1:1.3.dfsg+really1.3.1-1+b1
Description: compression library - runtime
 zlib is a library implementing the deflate compression method found
 in gzip and PKZIP.

Package: nginx
Status: install ok installed
Architecture: amd64
Version: 1.26.3-3+deb13u11
Conffiles:
 /etc/nginx/nginx.conf 0123456789abcdef

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libgcc-s1
Status: hold ok installed
Architecture: arm64
Source: gcc-14 (14.2.0-19)
Version: 1:14.2.0-19
`

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: BSD-2-clause

Files: debian/*
License: GPL-2+ with OpenSSL exception

License: BSD-2-clause
 Redistribution and use in source and binary forms are permitted.
`

func image() fstest.MapFS {
	return fstest.MapFS{
		"usr/lib/os-release":             {Data: []byte(debian)},
		"var/lib/dpkg/status":            {Data: []byte(status)},
		"usr/share/doc/nginx/copyright":  {Data: []byte(copyright)},
		"usr/share/doc/zlib1g/copyright": {Data: []byte("License: told to people only\n")},
		"etc/nginx/lua/a.lua":            {Data: []byte("return 1\n"), Mode: 0o644},
		"etc/nginx/lua/sub/b.lua":        {Data: []byte("return 2\n"), Mode: 0o644},
	}
}

func TestReadPackages(t *testing.T) {
	got, err := readPackages(image())
	if err != nil {
		t.Fatal(err)
	}
	want := []debianPackage{
		{name: "libgcc-s1", version: "1:14.2.0-19", architecture: "arm64", source: "gcc-14", sourceVersion: "14.2.0-19"},
		{
			name: "nginx", version: "1.26.3-3+deb13u11", architecture: "amd64", source: "nginx", sourceVersion: "1.26.3-3+deb13u11",
			licenses: []string{"BSD-2-clause", "GPL-2+ with OpenSSL exception"},
		},
		{name: "zlib1g", version: "1:1.3.dfsg+really1.3.1-1+b1", architecture: "amd64", source: "zlib", sourceVersion: "1:1.3.dfsg+really1.3.1-1+b1"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(debianPackage{})); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

func TestDescribe(t *testing.T) {
	bom, err := describe(image(), "1.2.3", "", []string{"/etc/nginx/lua"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range *bom.Components {
		got = append(got, strings.Join([]string{string(c.Type), c.Name, c.Version, c.PackageURL}, " "))
	}
	want := []string{
		"operating-system debian 13 ",
		"library libgcc-s1 1:14.2.0-19 pkg:deb/debian/libgcc-s1@1:14.2.0-19?arch=arm64&distro=debian-13&upstream=gcc-14%4014.2.0-19",
		"library nginx 1.26.3-3+deb13u11 pkg:deb/debian/nginx@1.26.3-3%2Bdeb13u11?arch=amd64&distro=debian-13",
		"library zlib1g 1:1.3.dfsg+really1.3.1-1+b1 pkg:deb/debian/zlib1g@1:1.3.dfsg%2Breally1.3.1-1%2Bb1?arch=amd64&distro=debian-13&upstream=zlib",
		"file /etc/nginx/lua/a.lua  ",
		"file /etc/nginx/lua/sub/b.lua  ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
	hash := (*(*bom.Components)[4].Hashes)[0]
	if want := (cdx.Hash{Algorithm: cdx.HashAlgoSHA256, Value: "0805bfdc02e872ed322a4a4e440ae985f3a4335f4dd59f3d373dfaf2a68a4a3c"}); hash != want {
		t.Errorf("hash %v, want %v", hash, want)
	}
}

// TestAProgramBringsItsModules describes this very test.
func TestAProgramBringsItsModules(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	root := image()
	root["usr/bin/sluice"] = &fstest.MapFile{Data: content, Mode: 0o755}
	bom, err := describe(root, "1.2.3", "", []string{"/usr/bin/sluice"})
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]bool{}
	for _, d := range *bom.Dependencies {
		if d.Ref == "/usr/bin/sluice" {
			for _, ref := range *d.Dependencies {
				name, _, _ := strings.Cut(ref, "@")
				built[name] = true
			}
		}
	}
	for _, want := range []string{"pkg:golang/stdlib", "pkg:golang/github.com/CycloneDX/cyclonedx-go"} {
		if !built[want] {
			t.Errorf("%s is not among the modules: %v", want, built)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(fstest.MapFS)
		want  string
	}{
		{"no Debian", func(m fstest.MapFS) { delete(m, "usr/lib/os-release") }, "os-release"},
		{"a system without a name", func(m fstest.MapFS) { m["usr/lib/os-release"].Data = []byte("NAME=x\n") }, "/usr/lib/os-release: no ID or VERSION_ID"},
		{"no packages", func(m fstest.MapFS) { delete(m, "var/lib/dpkg/status") }, "status"},
		{"a spoilt database", func(m fstest.MapFS) { m["var/lib/dpkg/status"].Data = []byte("Package nginx\n\n") }, "/var/lib/dpkg/status: malformed"},
		{"a script among our programs", func(m fstest.MapFS) { m["etc/nginx/lua/a.lua"].Mode = 0o755 }, "/etc/nginx/lua/a.lua: "},
		{"no file of ours", func(m fstest.MapFS) { delete(m, "etc/nginx/lua/a.lua"); delete(m, "etc/nginx/lua/sub/b.lua") }, fs.ErrNotExist.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := image()
			c.spoil(root)
			if _, err := describe(root, "1.2.3", "", []string{"/etc/nginx/lua"}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestTheTimeIsThatOfTheSource(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, image()); err != nil {
		t.Fatal(err)
	}
	for epoch, want := range map[string]string{"": "", "1700000000": "2023-11-14T22:13:20Z"} {
		t.Setenv("SOURCE_DATE_EPOCH", epoch)
		var out bytes.Buffer
		if err := run(&out, dir, "1.2.3", []string{"/etc/nginx/lua"}); err != nil {
			t.Fatal(err)
		}
		var got struct{ Metadata struct{ Timestamp string } }
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Metadata.Timestamp != want {
			t.Errorf("SOURCE_DATE_EPOCH=%s: made at %q, want %q", epoch, got.Metadata.Timestamp, want)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if err := run(&bytes.Buffer{}, dir, "1.2.3", nil); err == nil {
		t.Error("a time that is no number is taken")
	}
}
