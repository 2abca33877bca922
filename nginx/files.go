package nginx

// Files is a configuration as it stands on disk.
type Files struct {
	// Generation names the configuration. It is a hash of everything whose change needs a reload; the
	// addresses inside upstream blocks are left out of it, since workers get those as data.
	Generation string
	List       []File
	Owners     []Owner
}

// File is one file of a configuration.
type File struct {
	Name    string // relative to the configuration's directory, never user text
	Content []byte
	Secret  bool // readable by the owner only
}

// Owner says which object lines of nginx.conf come from, so that an error of NGINX's names an object.
type Owner struct {
	First, Last int    // lines, from 1, both included
	Object      string // for example "Ingress shop/web"
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

// OwnerOf returns the object that a line of nginx.conf comes from, the narrowest if ranges are nested,
// or "".
func (f Files) OwnerOf(line int) string {
	best, size := "", -1
	for _, o := range f.Owners {
		if o.First <= line && line <= o.Last && (size < 0 || o.Last-o.First < size) {
			best, size = o.Object, o.Last-o.First
		}
	}
	return best
}
