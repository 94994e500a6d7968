//go:build v0025

package main

import (
	coderws "github.com/coder/websocket"
	"github.com/kataras/neffos"
	"github.com/kataras/neffos/coder"
)

func init() {
	upgraders["coder"] = coder.Upgrader(coderws.AcceptOptions{})
}

func closeError(code int) error {
	return neffos.CloseError{Code: code}
}
