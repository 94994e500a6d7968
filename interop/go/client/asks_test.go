package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kataras/neffos"
)

var errOfEvent = errors.New("event failed")

func init() {
	neffos.RegisterKnownError(errOfEvent)
}

func TestAsksAreAnswered(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, p := w.inDefault()
		for _, body := range []string{anyText, "", ";;;;;;"} {
			if answer := p.ask("echo", body); answer != body {
				t.Fatalf("%q", answer)
			}
		}
		if answer := p.ask("replyempty", "x"); answer != "" {
			t.Fatalf("%q", answer)
		}
	})
}

func TestAsksOfARoomAreAnswered(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.join("lobby")
		g.settle()
		ask := neffos.Message{Namespace: "default", Room: "lobby", Event: "echo", Body: []byte("hi")}
		answer, err := p.Conn.Ask(deadline(t), ask)
		if err != nil || string(answer.Body) != "hi" || answer.Room != "lobby" {
			t.Fatalf("%+v, %v", answer, err)
		}
	})
}

func TestBytesAreAskedAndAnswered(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		g.settle()
		body := []byte{0, ';', 0xff, 0x80}
		answer, err := p.Conn.Ask(deadline(t), neffos.Message{Namespace: "default", Event: "echo", Body: body, SetBinary: true})
		if err != nil || !answer.SetBinary || !bytes.Equal(answer.Body, body) {
			t.Fatalf("%+v, %v", answer, err)
		}
	})
}

func TestAsksThatAreOpenTogetherGetTheirOwnAnswers(t *testing.T) {
	if !asksTogether {
		t.Skip("this version of the client mixes them up by itself")
	}
	withEachDialer(t, func(t *testing.T, w world) {
		_, p := w.inDefault()
		var asking sync.WaitGroup
		for i := range 50 {
			asking.Add(1)
			go func() {
				defer asking.Done()
				if answer, err := p.tryAsk("echo", fmt.Sprint(i)); answer != fmt.Sprint(i) {
					t.Errorf("%d: %s, %v", i, answer, err)
				}
			}()
		}
		asking.Wait()
	})
}

func TestErrorsAnswerAsks(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, p := w.inDefault()
		if _, err := p.tryAsk("faillong", ""); err == nil || err.Error() != "a;b;c" {
			t.Fatal(err)
		}
		if _, err := p.tryAsk("fail", ""); !errors.Is(err, errOfEvent) {
			t.Fatal(err)
		}
		if _, err := p.tryAsk("badns", ""); !errors.Is(err, neffos.ErrBadNamespace) {
			t.Fatal(err)
		}
	})
}

func TestAnAskWithoutAnAnswerEndsAtItsDeadline(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, p := w.inDefault()
		p.guest.settle()
		soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := p.Ask(soon, "nothing", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if answer := p.ask("echo", "still here"); answer != "still here" {
			t.Fatal(answer)
		}
	})
}

func TestAnAskEndsWithTheConnection(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		g.settle()
		// In v0.0.24, an ask does not end with its connection.
		ctx, cancel := context.WithCancel(deadline(t))
		defer cancel()
		go func() {
			<-g.NotifyClose
			cancel()
		}()
		if _, err := p.Ask(ctx, "closeme", nil); !errors.Is(err, neffos.ErrWrite) && !neffos.IsCloseError(err) {
			t.Fatal(err)
		}
	})
}

func TestTheServerAsksTheClient(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.join("lobby")
		for _, room := range []string{"", "lobby"} {
			answer := w.succeeds("connask", "id", g.ID, "ns", "default", "room", room, "event", "question", "body", "a;b")
			if !strings.Contains(answer, fmt.Sprintf(`room=%q event="question" body="answer to a;b" err=<nil>`, room)) {
				t.Fatal(answer)
			}
		}
		w.refused("the client refuses", "connask", "id", g.ID, "ns", "default", "event", "refuse")
		w.refused("context deadline exceeded", "connask", "id", g.ID, "ns", "default", "event", "ignored", "ms", "50")
		if answer := p.ask("echo", "still here"); answer != "still here" {
			t.Fatal(answer)
		}
	})
}

func TestOfSeveralAskedClientsTheFirstAnswerCounts(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		ada, _ := w.inDefault()
		w.inDefault()
		if answer := w.succeeds("ask", "ns", "default", "event", "question", "body", "who"); !strings.Contains(answer, "answer to who") {
			t.Fatal(answer)
		}
		if answer := w.succeeds("ask", "ns", "default", "event", "question", "body", "you", "to", ada.ID); !strings.Contains(answer, "answer to you") {
			t.Fatal(answer)
		}
	})
}

func TestAHandlerOfTheServerAsksTheClientBack(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, p := w.inDefault()
		if answer := p.ask("askinside", "why"); answer != "you said:answer to why" {
			t.Fatal(answer)
		}
	})
}

func TestAHandlerOfTheClientAsksTheServer(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		askBack := func(ns *neffos.NSConn, m neffos.Message) error {
			answer, err := ns.Ask(deadline(t), "echo", m.Body)
			if err != nil {
				return err
			}
			return neffos.Reply(append([]byte("the server says: "), answer.Body...))
		}
		g := w.dial(visit{handlers: neffos.Events{"relay": askBack}})
		g.connect("default")
		answer := w.succeeds("connask", "id", g.ID, "ns", "default", "event", "relay", "body", "hi")
		if !strings.Contains(answer, "the server says: hi") {
			t.Fatal(answer)
		}
	})
}
