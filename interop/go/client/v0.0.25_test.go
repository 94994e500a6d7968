//go:build v0025

package client

import (
	"net/http"

	coderws "github.com/coder/websocket"
	gobwasws "github.com/gobwas/ws"
	gorillaws "github.com/gorilla/websocket"
	"github.com/kataras/neffos"
	"github.com/kataras/neffos/coder"
	"github.com/kataras/neffos/gobwas"
	"github.com/kataras/neffos/gorilla"
)

var dialers = []dialer{
	{name: "gorilla", open: func(header http.Header) neffos.Dialer {
		return gorilla.Dialer(gorillaws.DefaultDialer, header)
	}},
	{name: "gobwas", hides: youngCodes, open: func(header http.Header) neffos.Dialer {
		return gobwas.Dialer(gobwasws.Dialer{Header: gobwasws.HandshakeHeaderHTTP(header)})
	}},
	{name: "coder", open: func(header http.Header) neffos.Dialer {
		return coder.Dialer(&coderws.DialOptions{HTTPHeader: header})
	}},
}

// gobwas treats the newer registered codes as an error, and hides the code.
func youngCodes(code int) bool { return code == 1012 || code == 1013 }

const asksTogether = true

// link is the socket of a client. This version needs no workaround.
type link struct{}

func (*link) through(dial neffos.Dialer) neffos.Dialer { return dial }

func (*link) settled() bool { return true }

// closeCode returns the code with which the server closed the connection.
func (g *guest) closeCode() int {
	return neffos.CloseStatus(g.Conn().Err())
}
