package client

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// Every kind of character in a text: the separator, its escape, and more than ASCII.
const anyText = "grüße; @%!semicolon@%! 你好 🌍\n\x00;"

func TestEventsGoBothWays(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		for _, body := range []string{anyText, "", ";;;;;;"} {
			p.emit("emitback", body)
			m := g.next("emitback")
			if string(m.Body) != body || m.Namespace != "default" || m.Room != "" || m.SetBinary || m.Err != nil {
				t.Fatalf("%+v", m)
			}
		}
	})
}

func TestEventsOfARoomGoBothWays(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		if !p.join("lobby").Emit("roomemit", []byte(anyText)) {
			t.Fatal("not sent")
		}
		if m := g.next("roomemit"); m.Room != "lobby" || string(m.Body) != anyText {
			t.Fatalf("%+v", m)
		}
	})
}

func TestBytesGoBothWays(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		var every []byte
		for i := range 256 {
			every = append(every, byte(i))
		}
		if !p.EmitBinary("bin", every) {
			t.Fatal("not sent")
		}
		if m := g.next("bin"); !m.SetBinary || !bytes.Equal(m.Body, every) {
			t.Fatalf("%+v", m)
		}
	})
}

func TestEventsArriveInOrder(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		for i := range 500 {
			p.emit("emitback", fmt.Sprint(i))
		}
		for i := range 500 {
			if m := g.next("emitback"); string(m.Body) != fmt.Sprint(i) {
				t.Fatalf("%s came as number %d", m.Body, i)
			}
		}
	})
}

func TestLargeBodiesGoBothWays(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		body := strings.Repeat(anyText, 1<<20/len(anyText))
		if answer := p.ask("echo", body); answer != body {
			t.Fatalf("%d bytes came back", len(answer))
		}
		if !p.EmitBinary("bin", []byte(body)) {
			t.Fatal("not sent")
		}
		if m := g.next("bin"); string(m.Body) != body {
			t.Fatalf("%d bytes came back", len(m.Body))
		}
	}, "--max-message", "2097152")
}

func TestAnEventWithoutAHandlerIsIgnored(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g := w.dial(visit{namespaces: []string{"noany"}})
		p := g.connect("noany")
		p.emit("unheard of", "hi")
		if answer := p.ask("echo", "still here"); answer != "still here" {
			t.Fatal(answer)
		}
	})
}

func TestTheServerWritesToOneClient(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.join("lobby")
		for place, wanted := range map[[2]string]string{
			{"default", ""}: "true\n", {"default", "lobby"}: "true\n", {"default", "den"}: "false\n", {"other", ""}: "false\n",
		} {
			sent := w.ctl("write", "id", g.ID, "ns", place[0], "room", place[1], "event", "news", "body", place[1])
			if sent != wanted {
				t.Errorf("%v: %s", place, sent)
			}
		}
		if bodies := p.heard(w); len(bodies) != 2 {
			t.Fatal(bodies)
		}
	})
}

func TestAnErrorWithoutAnAskArrivesAsAnEvent(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.emit("fail", "")
		if m := g.next("fail"); m.Err == nil || m.Err.Error() != "event failed" || len(m.Body) > 0 {
			t.Fatalf("%+v", m)
		}
	})
}

func TestAnErrorOfTheClientReachesTheServer(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		w.ctl("write", "id", g.ID, "ns", "default", "event", "refuse")
		w.ctl("write", "id", g.ID, "ns", "default", "event", "marker")
		g.next("marker")
		p.ask("echo", "after it")
		if log := w.log(); !strings.Contains(log, `event="refuse" body="" err=the client refuses`) {
			t.Fatal(log)
		}
	})
}

func TestAFaultOfAHandlerFailsOnlyItsEvent(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, p := w.inDefault()
		if _, err := p.tryAsk("panic", ""); err == nil {
			t.Fatal("answered")
		}
		if answer := p.ask("echo", "still here"); answer != "still here" {
			t.Fatal(answer)
		}
	})
}
