package client

import (
	"strings"
	"testing"

	"github.com/kataras/neffos"
)

func native(body string) neffos.Message {
	return neffos.Message{Body: []byte(body), IsNative: true}
}

// nativeOnly dials the server for native messages only.
func (w world) nativeOnly(path string) place {
	w.t.Helper()
	g := w.dial(visit{path: path, native: neffos.Events{}})
	return g.waitConnect("")
}

func TestNativeMessagesGoBesideEvents(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		echo := neffos.Events{"unused": func(*neffos.NSConn, neffos.Message) error { return nil }}
		g := w.dial(visit{path: "/b", native: echo, namespaces: []string{"default"}})
		p := g.connect("")
		if !p.Conn.Write(native("hello; you")) {
			t.Fatal("not sent")
		}
		if m := g.next(neffos.OnNativeMessage); !m.IsNative || string(m.Body) != "native:hello; you" {
			t.Fatalf("%+v", m)
		}
		if answer := p.ask("echo", "hi"); answer != "hi" {
			t.Fatal(answer)
		}
		if answer := g.connect("default").ask("echo", "hi"); answer != "hi" {
			t.Fatal(answer)
		}
		if log := w.log(); !strings.Contains(log, `body="hello; you" err=<nil> forced=false local=false native=true`) {
			t.Fatal(log)
		}
	})
}

func TestAClientOfNativeMessagesAloneNeedsNoGreeting(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		p := w.nativeOnly("/c")
		for _, body := range []string{"a;b;c;d;e;f;g", "M", ";default;;_OnNamespaceConnect;0;0;", anyText} {
			if !p.Conn.Write(native(body)) {
				t.Fatal("not sent")
			}
			if m := p.guest.next(neffos.OnNativeMessage); !m.IsNative || m.SetBinary || string(m.Body) != "got:"+body {
				t.Fatalf("%+v", m)
			}
		}
	})
}

func TestNativeBytesStayBytes(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		p := w.nativeOnly("/c")
		message := native("\x00\xff;")
		message.SetBinary = true
		if !p.Conn.Write(message) {
			t.Fatal("not sent")
		}
		if m := p.guest.next(neffos.OnNativeMessage); !m.SetBinary || string(m.Body) != "got:\x00\xff;" {
			t.Fatalf("%+v", m)
		}
	})
}

func TestANativeBroadcastReachesEveryone(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		ada, bob := w.nativeOnly("/c"), w.nativeOnly("/c")
		// Both are certainly connected once they have an answer.
		for _, p := range []place{ada, bob} {
			p.Conn.Write(native("hello"))
			p.guest.next(neffos.OnNativeMessage)
		}
		ada.Conn.Write(native("all"))
		for _, p := range []place{ada, bob} {
			if m := p.guest.next(neffos.OnNativeMessage); string(m.Body) != "all" {
				t.Fatalf("%+v", m)
			}
		}
	})
}

func TestANativeFaultEndsNothing(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		p := w.nativeOnly("/c")
		for _, body := range []string{"fail", "reply", "still here"} {
			p.Conn.Write(native(body))
		}
		if m := p.guest.next(neffos.OnNativeMessage); string(m.Body) != "got:still here" {
			t.Fatalf("%+v", m)
		}
	})
}
