//go:build !v0025

package main

import "fmt"

// closeError is what a CloseError would look like: outside of its package one can only be made without its text, and this
// version ends the process when it wants to print that.
func closeError(code int) error {
	return fmt.Errorf("[%d] ", code)
}
