package dynamic

import (
	"maps"
	"strings"

	"github.com/sluice-ingress/sluice/persistent"
)

// blockEnd ends the name of a server block in a key. No name that a client asks for has it: NGINX refuses such requests.
const blockEnd = "/"

// blockLength is that of the names of server blocks, which are hashes in hexadecimal digits.
const blockLength = 16

// InBlock is the key in Routes.Hosts of a name whose server block has settings of its own; block is "" for all others. A host that
// moves to another block so has an entry for the workers that know it there, and one for those that do not.
func InBlock(block, key string) string {
	if block == "" {
		return key
	}
	return block + blockEnd + key
}

// withoutBlock is the name in a key.
func withoutBlock(key string) string {
	if len(key) > blockLength && key[blockLength:blockLength+1] == blockEnd && strings.Trim(key[:blockLength], "0123456789abcdef") == "" {
		return key[blockLength+1:]
	}
	return key
}

// Moved are the entries of a former state whose names are in another server block now, by key: workers that still run have them
// there.
func (r Routes) Moved(former Routes) map[string]*Host {
	gone := map[string]*Host{}
	for d := range persistent.Differences(former.Hosts, r.Hosts) {
		if !d.Is {
			gone[d.Key] = d.Old
		}
	}
	if len(gone) == 0 {
		return nil
	}
	there := r.names()
	maps.DeleteFunc(gone, func(key string, _ *Host) bool { return !there[withoutBlock(key)] })
	return gone
}

// names are those of all keys, whatever server block they are in.
func (r Routes) names() map[string]bool {
	names := make(map[string]bool, r.Hosts.Len())
	for key := range r.Hosts.Keys() {
		names[withoutBlock(key)] = true
	}
	return names
}

// Ahead are the entries that lead to these shapes, by key, and that a receiver of some other entries has not yet, of names in
// server blocks of their own and of those that it has in another block. Until NGINX has them there nobody asks for them.
func (r Routes) Ahead(shapes map[string]bool, held Routes) map[string]*Host {
	ahead, before := map[string]*Host{}, held.names()
	for key, host := range r.Through(shapes, persistent.Map[string, *Host]{}, func(string) []*Host { return nil }).Hosts.All() {
		if name := withoutBlock(key); held.Hosts.At(key) == nil && (name != key || before[name]) {
			ahead[key] = host
		}
	}
	return ahead
}

// And returns the routes with more entries. Those that are there already stay.
func (r Routes) And(more map[string]*Host) Routes {
	for key, host := range more {
		if r.Hosts.At(key) == nil {
			r.Hosts = r.Hosts.With(key, host)
		}
	}
	return r
}
