package nginx

// OwnerOf returns the object that a line of nginx.conf comes from, as in "Ingress shop/web", or the host it
// belongs to, as in "host shop.example.com", or "". It reads them off the variables that every location
// sets, so the configuration needs no comments and nobody has to keep a table.
func (f Files) OwnerOf(line int) string {
	text, ok := f.Get("nginx.conf")
	if !ok {
		return ""
	}
	list, err := Parse(string(text))
	if err != nil {
		return ""
	}
	owner := ""
	for list != nil {
		block := blockAt(list, line)
		if block == nil {
			return owner
		}
		switch block.Name() {
		case "server":
			if name := argument(block.Block, "server_name"); name != "" {
				owner = "host " + name
			}
		case "location":
			if ingress := variableSet(block.Block, "ingress_name"); ingress != "" {
				owner = "Ingress " + variableSet(block.Block, "namespace") + "/" + ingress
			}
		}
		list = block.Block
	}
	return owner
}

// blockAt returns the last block that starts at or before the line, if no directive after it does.
func blockAt(list []Parsed, line int) *Parsed {
	var last *Parsed
	for i := range list {
		if list[i].Line > line {
			break
		}
		last = &list[i]
	}
	if last == nil || last.Block == nil || last.Lua != "" {
		return nil
	}
	return last
}

// argument returns the first argument of the first directive of that name.
func argument(list []Parsed, name string) string {
	for _, d := range list {
		if d.Name() == name && len(d.Words) > 1 {
			return d.Words[1]
		}
	}
	return ""
}

// variableSet returns what the first set of the variable sets it to.
func variableSet(list []Parsed, variable string) string {
	for _, d := range list {
		if d.Name() == "set" && len(d.Words) == 3 && d.Words[1] == "$"+variable {
			return d.Words[2]
		}
	}
	return ""
}
