package main

import (
	"io/fs"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/package-url/packageurl-go"
)

// part is one of those that the image consists of.
type part struct {
	cdx.Component
	modules []cdx.Component // that it was built from
}

// describe makes the bill of an image that has our own files at the given paths. The time it was made at may be empty.
func describe(root fs.FS, version, made string, own []string) (*cdx.BOM, error) {
	system, err := readSystem(root)
	if err != nil {
		return nil, err
	}
	packages, err := readPackages(root)
	if err != nil {
		return nil, err
	}
	parts := []part{{Component: system.component()}}
	for _, p := range packages {
		parts = append(parts, part{Component: p.component(system)})
	}
	for _, path := range own {
		files, err := readOwn(root, strings.TrimPrefix(path, "/"), version)
		if err != nil {
			return nil, err
		}
		parts = append(parts, files...)
	}

	image := cdx.Component{BOMRef: "image", Type: cdx.ComponentTypeContainer, Name: "sluice", Version: version}
	var direct, all []cdx.Component
	dependencies := []cdx.Dependency{{Ref: image.BOMRef}}
	for _, p := range parts {
		direct = append(direct, p.Component)
		all = append(append(all, p.Component), p.modules...)
		if len(p.modules) > 0 {
			dependencies = append(dependencies, cdx.Dependency{Ref: p.BOMRef, Dependencies: refs(p.modules)})
		}
	}
	dependencies[0].Dependencies = refs(direct)
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: made, Component: &image}
	bom.Components, bom.Dependencies = &all, &dependencies
	return bom, nil
}

func refs(components []cdx.Component) *[]string {
	list := make([]string, 0, len(components))
	for _, c := range components {
		list = append(list, c.BOMRef)
	}
	return &list
}

func (s system) component() cdx.Component {
	return cdx.Component{BOMRef: s.String(), Type: cdx.ComponentTypeOS, Name: s.id, Version: s.version}
}

// component names the package as scanners expect: with the source package, by which Debian tracks what is vulnerable.
func (p debianPackage) component(s system) cdx.Component {
	qualifiers := map[string]string{"arch": p.architecture, "distro": s.String()}
	switch {
	case p.sourceVersion != p.version:
		qualifiers["upstream"] = p.source + "@" + p.sourceVersion
	case p.source != p.name:
		qualifiers["upstream"] = p.source
	}
	url := packageurl.NewPackageURL(packageurl.TypeDebian, s.id, p.name, p.version, packageurl.QualifiersFromMap(qualifiers), "").ToString()
	return cdx.Component{
		BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: p.name, Version: p.version, PackageURL: url, Licenses: named(p.licenses),
	}
}

// named are licences by the names that Debian gives them, which are not all SPDX's.
func named(licenses []string) *cdx.Licenses {
	if len(licenses) == 0 {
		return nil
	}
	list := make(cdx.Licenses, 0, len(licenses))
	for _, name := range licenses {
		list = append(list, cdx.LicenseChoice{License: &cdx.License{Name: name}})
	}
	return &list
}
