package client

import (
	"net/http"
	"strings"
	"testing"
	"time"

	gorillaws "github.com/gorilla/websocket"
	"github.com/kataras/neffos"
	"github.com/kataras/neffos/gorilla"
)

func headers(pairs ...string) http.Header {
	header := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		header.Add(pairs[i], pairs[i+1])
	}
	return header
}

func TestTheServerGivesTheClientAnID(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		named := w.dial(visit{header: headers("X-Id", "chosen; with; separators")})
		numbered := w.dial(visit{})
		if named.ID != "chosen; with; separators" || numbered.ID != "a1" {
			t.Fatalf("ids %q, %q", named.ID, numbered.ID)
		}
		if count := w.ctl("count"); count != "2\n" {
			t.Fatalf("%s connections", count)
		}
	})
}

func TestARefusedClientGetsTheText(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, err := w.tryDial(visit{header: headers("X-Refuse", "not you; not today")})
		if err == nil || err.Error() != "not you; not today" {
			t.Fatal(err)
		}
	})
}

func TestARefusalMayTakeItsTime(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		start := time.Now()
		_, err := w.tryDial(visit{header: headers("X-Slow", "100ms", "X-Refuse", "too late")})
		if err == nil || err.Error() != "too late" {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 100*time.Millisecond {
			t.Fatalf("refused after %v", took)
		}
	})
}

func TestHeadersAndURLParametersReachTheServer(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		w.dial(visit{header: headers("X-Foo", "real")})
		w.dial(visit{path: "/a?X-Websocket-Header-X-Foo=of+the+URL"})
		log := w.log()
		for _, wanted := range []string{`X-Foo=["real"]`, `X-Foo=["of the URL"]`} {
			if !strings.Contains(log, wanted) {
				t.Errorf("no %s in %s", wanted, log)
			}
		}
	})
}

func TestAClientThatReconnectsSaysSo(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		w.dial(visit{header: headers("X-Websocket-Reconnect", "3")})
		if log := w.log(); !strings.Contains(log, "reconnect_tries=3 was_reconnected=true") {
			t.Error(log)
		}
		w.dial(visit{})
		if log := w.log(); !strings.Contains(log, "reconnect_tries=0 was_reconnected=false") {
			t.Error(log)
		}
	})
}

func TestAClosedServerAdmitsNoClient(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		w.succeeds("close")
		if _, err := w.tryDial(visit{}); err == nil {
			t.Fatal("dialled")
		}
	})
}

func TestAClientThatOffersCompressionWorksWithoutIt(t *testing.T) {
	compressing := dialer{name: "gorilla", open: func(header http.Header) neffos.Dialer {
		return gorilla.Dialer(&gorillaws.Dialer{EnableCompression: true}, header)
	}}
	w := world{startServer(t), t, compressing}
	_, p := w.inDefault()
	body := strings.Repeat("compressible ", 1000)
	if answer := p.ask("echo", body); answer != body {
		t.Fatalf("%d bytes came back", len(answer))
	}
}
