package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/package-url/packageurl-go"
)

// readOwn describes our own file, or all files of our own directory. One that can be executed is a program in Go.
func readOwn(root fs.FS, name, version string) ([]part, error) {
	var parts []part
	err := fs.WalkDir(root, name, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		p := part{Component: file("/"+name, content)}
		if info.Mode()&0o111 != 0 {
			built, err := buildinfo.Read(bytes.NewReader(content))
			if err != nil {
				return fmt.Errorf("/%s: %w", name, err)
			}
			p = program(p.Component, version, built)
		}
		parts = append(parts, p)
		return nil
	})
	return parts, err
}

func file(name string, content []byte) cdx.Component {
	sum := sha256.Sum256(content)
	return cdx.Component{
		BOMRef: name, Type: cdx.ComponentTypeFile, Name: name,
		Hashes:   &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}, // as the file LICENSE says
	}
}

func program(file cdx.Component, version string, built *buildinfo.BuildInfo) part {
	file.Type, file.Name, file.Version = cdx.ComponentTypeApplication, path.Base(file.Name), version
	file.PackageURL = goURL(built.Main.Path, version)
	modules := []cdx.Component{goModule("stdlib", strings.TrimPrefix(built.GoVersion, "go"))}
	for _, m := range built.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		modules = append(modules, goModule(m.Path, m.Version))
	}
	return part{file, modules}
}

func goModule(name, version string) cdx.Component {
	url := goURL(name, version)
	return cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: name, Version: version, PackageURL: url}
}

// goURL keeps capitals, as other tools do: names of modules differ by them.
func goURL(name, version string) string {
	namespace, last := path.Split(name)
	return packageurl.NewPackageURL(packageurl.TypeGolang, strings.TrimSuffix(namespace, "/"), last, version, nil, "").ToString()
}
