package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// Image is the process that stands for an image. As in an image, a container's command replaces the
// entrypoint and its args the arguments.
type Image struct {
	Root       string   `json:"root"` // the directory with its files, or $NAME of the environment; those of this machine when empty
	Entrypoint []string `json:"entrypoint"`
	Args       []string `json:"args"`
	Env        []string `json:"env"`  // NAME=VALUE
	Dir        string   `json:"dir"`  // working directory
	User       string   `json:"user"` // numbers: ID or ID:GROUP; root when empty

	unset string // a variable that it cannot do without
}

// Images are by name, with a tag or for all tags.
type Images map[string]Image

// ReadImages reads a table of images. Paths in it that start with a dot are relative to the file.
func ReadImages(file string) (Images, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var images Images
	if err := yaml.UnmarshalStrict(text, &images); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	for name, image := range images {
		image.Root = from(dir, os.Expand(image.Root, func(variable string) string {
			value := os.Getenv(variable)
			if value == "" {
				image.unset = variable
			}
			return value
		}))
		if len(image.Entrypoint) > 0 {
			image.Entrypoint[0] = from(dir, image.Entrypoint[0])
		}
		images[name] = image
	}
	return images, nil
}

func from(dir, path string) string {
	if strings.HasPrefix(path, ".") {
		return filepath.Join(dir, path)
	}
	return path
}

// find looks for the name as written, then without digest, then without tag.
func (i Images) find(name string) (Image, error) {
	image, is := i.lookUp(name)
	switch {
	case !is:
		return image, fmt.Errorf("no process is known for image %s", name)
	case image.unset != "":
		return image, fmt.Errorf("no files are known for image %s: %s is not set", name, image.unset)
	default:
		return image, nil
	}
}

func (i Images) lookUp(name string) (Image, bool) {
	if image, is := i[name]; is {
		return image, true
	}
	name, _, _ = strings.Cut(name, "@")
	if image, is := i[name]; is {
		return image, true
	}
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name = name[:colon]
	}
	image, is := i[name]
	return image, is
}
