// Command container becomes the process of a container, as package box describes. The node agent starts it as the first
// process of new mount, PID and UTS namespaces, or in those of a container that it joins.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/sluice-ingress/sluice/test/e2e/node/box"
)

func main() {
	err := enter()
	fmt.Fprint(os.NewFile(box.FailureFile, "failure"), err)
	os.Exit(128)
}

func enter() error {
	var spec box.Spec
	if err := json.NewDecoder(os.NewFile(box.SpecFile, "spec")).Decode(&spec); err != nil {
		return fmt.Errorf("read the spec: %w", err)
	}
	return spec.Enter()
}
