//go:build !v0025

package client

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	gobwasws "github.com/gobwas/ws"
	gorillaws "github.com/gorilla/websocket"
	"github.com/kataras/neffos"
	"github.com/kataras/neffos/gobwas"
	"github.com/kataras/neffos/gorilla"
)

var dialers = []dialer{
	{name: "gorilla", open: func(header http.Header) neffos.Dialer {
		return gorilla.Dialer(gorillaws.DefaultDialer, header)
	}},
	{name: "gobwas", hides: all, open: func(header http.Header) neffos.Dialer {
		return gobwas.Dialer(gobwasws.Dialer{Header: gobwasws.HandshakeHeaderHTTP(header)})
	}},
}

// The adapter of gobwas hides the code.
func all(int) bool { return true }

// In this version, concurrent asks may get the same token, which is the time. An ask that is made while the answer of
// another one is handled takes the next frame for its own answer.
const asksTogether = false

// link is the socket of a client. It lets tests avoid two faults of this version:
//
//   - A dial waits forever if the greeting arrives at the moment in which it begins to wait. So the first write does
//     not return before the greeting has been handled.
//   - An ask that is made while any handler runs takes the next frame for its answer. So tests call when
//     [link.settled].
type link struct {
	neffos.Socket
	watch
	reading, reads int
	over           bool
	readError      error
	greeted        atomic.Bool
}

func (l *link) through(dial neffos.Dialer) neffos.Dialer {
	return func(ctx context.Context, url string) (neffos.Socket, error) {
		socket, err := dial(ctx, url)
		l.Socket = socket
		return l, err
	}
}

// settled waits until no handler runs.
func (l *link) settled() bool {
	return l.await(func() bool { return l.reading > 0 || l.over })
}

func (l *link) ReadData(timeout time.Duration) ([]byte, neffos.MessageType, error) {
	l.change(func() { l.reads++; l.reading++ })
	data, kind, err := l.Socket.ReadData(timeout)
	l.change(func() { l.reading--; l.readError = errors.Join(l.readError, err) })
	return data, kind, err
}

func (l *link) WriteText(body []byte, timeout time.Duration) error {
	err := l.Socket.WriteText(body, timeout)
	if err == nil && bytes.Equal(body, []byte("M")) && l.greeted.CompareAndSwap(false, true) {
		l.await(func() bool { return l.reads > 1 || l.over })
	}
	return err
}

// NetConn is called when the client closes the connection.
func (l *link) NetConn() net.Conn {
	l.change(func() { l.over = true })
	return l.Socket.NetConn()
}

// closeCode returns the code with which the server closed the connection.
func (g *guest) closeCode() int {
	code := 0
	g.link.await(func() bool {
		var closed *gorillaws.CloseError
		if errors.As(g.link.readError, &closed) {
			code = closed.Code
		}
		return true
	})
	return code
}
