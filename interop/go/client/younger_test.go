//go:build v0025

package client

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	coderws "github.com/coder/websocket"
	"github.com/kataras/neffos"
	"github.com/kataras/neffos/coder"
)

func TestPingsOfTheClientAreAnswered(t *testing.T) {
	t.Parallel()
	w := world{server: startServer(t), t: t}
	answered := make(chan struct{}, 2)
	dialer := coder.Dialer(&coderws.DialOptions{OnPongReceived: func(context.Context, []byte) {
		select {
		case answered <- struct{}{}:
		default:
		}
	}})
	g := &guest{t: t, inbox: &inbox{}, link: &link{}}
	handlers := neffos.WithTimeout{PingInterval: time.Second, Namespaces: neffos.Namespaces{"default": {}}}
	client, err := neffos.Dial(deadline(t), dialer, "ws://"+w.address+"/a", handlers)
	if err != nil {
		t.Fatal(err)
	}
	g.Client = client
	t.Cleanup(client.Close)
	for range cap(answered) {
		select {
		case <-answered:
		case <-deadline(t).Done():
			t.Fatal("no pong came")
		}
	}
	if answer := g.connect("default").ask("echo", "still here"); answer != "still here" {
		t.Fatal(answer)
	}
}

func TestTheServerGetsTheCloseErrorOfAHandlerOfTheClient(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		stayer, _ := w.inDefault()
		leave := func(*neffos.NSConn, neffos.Message) error {
			return neffos.CloseError{Code: 4001, Reason: "had enough"}
		}
		goer := w.dial(visit{handlers: neffos.Events{"leave": leave}})
		goer.connect("default")
		w.refused("[4001] had enough", "connask", "id", goer.ID, "ns", "default", "event", "leave")
		if m := stayer.next("gone"); string(m.Body) != goer.ID {
			t.Fatalf("%+v", m)
		}
	}, "--ondisc")
}

func TestTheClientGetsTheReasonOfAClose(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, _ := w.inDefault()
		w.succeeds("close")
		g.awaitClose()
		if err := fmt.Sprint(g.Conn().Err()); !strings.Contains(err, "[1001] server closed") {
			t.Fatal(err)
		}
	})
}

func TestAnAskThatEndsWithTheConnectionHasTheCloseCode(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, p := w.inDefault()
		p.guest.settle()
		if _, err := p.Ask(deadline(t), "closeme", nil); neffos.CloseStatus(err) != 1000 {
			t.Fatal(err)
		}
	})
}
