// Command container becomes the process of a container, as package box describes. The node agent starts it as
// the first process of new mount and PID namespaces, with the Spec on file descriptor 3.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/sluice-ingress/sluice/test/e2e/node/box"
)

func main() {
	err := enter()
	fmt.Fprintln(os.Stderr, "container:", err)
	os.Exit(128)
}

func enter() error {
	file := os.NewFile(3, "spec")
	var spec box.Spec
	if err := json.NewDecoder(file).Decode(&spec); err != nil {
		return fmt.Errorf("read the spec: %w", err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	return spec.Enter()
}
