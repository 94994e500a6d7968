//go:build !v0025

package main

import "fmt"

// closeError returns an error with the text of a CloseError. Outside of its package, a CloseError can only be created
// without its text, and this version ends the process when it prints one.
func closeError(code int) error {
	return fmt.Errorf("[%d] ", code)
}
