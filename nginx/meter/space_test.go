package meter

import (
	"os"
	"syscall"
	"testing"
)

// allocated is how many bytes of a file are not holes.
func allocated(t *testing.T, file *os.File) int64 {
	t.Helper()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	const block = 512 // of st_blocks, whatever the filesystem's are; see stat(2)
	return info.Sys().(*syscall.Stat_t).Blocks * block
}
