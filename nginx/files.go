package nginx

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
