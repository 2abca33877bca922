package nginx

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
)

// Files is a configuration as it stands on disk.
type Files struct {
	// Generation names the configuration. It is a hash of everything whose change needs a reload; the
	// addresses inside upstream blocks are left out of it, since workers get those as data.
	Generation string
	// Shapes are the names of those that the configuration has. Routes through others have to wait for another.
	Shapes []string
	List   []File
	Layout Layout // of nginx.conf
}

// File is one file of a configuration.
type File struct {
	Name    string // relative to the configuration's directory, never user text
	Content []byte
	Secret  bool // readable by the owner only
	Workers bool // read by workers as they serve, who may be another user than the master
}

// DirectiveFile is a file that stands beside nginx.conf for one directive to name.
type DirectiveFile struct {
	Name    string // hash of the content, so that equal contents are one file, and others another configuration
	Content Secret
	Workers bool // see File
}

// WithFile is a directive whose argument is a file with that content. Only the owner can read it.
func WithFile(name string, content Secret) Directive {
	file := &DirectiveFile{Name: contentHash(content) + ".pem", Content: content}
	return Directive{Name: name, Args: []Arg{Verbatim(file.Name)}, File: file}
}

// WithWorkersFile is a directive whose argument is a file that workers open at requests. Nobody else can read it. By then the
// directory of NGINX's configuration may be that of another one, so that the argument says which.
func WithWorkersFile(name string, content Secret) Directive {
	file := &DirectiveFile{Name: contentHash(content) + ".txt", Content: content, Workers: true}
	return Directive{Name: name, Args: []Arg{Concat(Text("../"), Var("generation"), Text("/"+file.Name))}, File: file}
}

func contentHash(content Secret) string {
	sum := sha256.Sum256([]byte(content.Reveal()))
	return hex.EncodeToString(sum[:16])
}

// Files are those that directives of the configuration name, in the order of their names.
func (c *Config) Files() []File {
	found := map[string]*DirectiveFile{}
	c.HTTP.TLS.files(found)
	for _, s := range c.Servers {
		s.Directives.files(found)
		for _, l := range s.Locations {
			l.Body.files(found)
		}
		for _, shape := range s.Shapes {
			shape.Body.files(found)
		}
	}
	var list []File
	for _, name := range slices.Sorted(maps.Keys(found)) {
		f := found[name]
		list = append(list, File{Name: name, Content: []byte(f.Content.Reveal()), Secret: true, Workers: f.Workers})
	}
	return list
}

// files adds the files that the directives name.
func (ds Directives) files(found map[string]*DirectiveFile) {
	for i := range ds {
		if f := ds[i].File; f != nil {
			found[f.Name] = f
		}
	}
}

// Get returns the content of the file of that name.
func (f Files) Get(name string) ([]byte, bool) {
	for _, file := range f.List {
		if file.Name == name {
			return file.Content, true
		}
	}
	return nil, false
}
