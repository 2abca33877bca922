// Command sbom turns the root directory of an image into its bill of materials: what dpkg installed there, our own
// files with their hashes, and the modules that our programs were built from. It changes nothing.
//
//	sbom [-root DIR] -version VERSION PATH... >sluice.cdx.json
//
// The paths are those of our own files and directories, within the root. The result is CycloneDX 1.6 in JSON and equal
// for equal roots: its only time is SOURCE_DATE_EPOCH, in seconds since 1970, if the environment has that.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	dir := flag.String("root", "/", "the image's root directory")
	version := flag.String("version", "", "of the image")
	flag.Parse()
	if err := run(os.Stdout, *dir, *version, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, dir, version string, own []string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	made, err := sourceDate(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	bom, err := describe(root.FS(), version, made, own)
	if err != nil {
		return err
	}
	return cdx.NewBOMEncoder(out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6)
}

// sourceDate is in the form that CycloneDX wants, and empty for an empty text.
func sourceDate(epoch string) (string, error) {
	if epoch == "" {
		return "", nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return "", fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339), nil
}
