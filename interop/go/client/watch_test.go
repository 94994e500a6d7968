package client

import (
	"sync"
	"testing"
	"time"

	"github.com/kataras/neffos"
)

// watch protects values whose changes can be awaited.
type watch struct {
	mu      sync.Mutex
	changed chan struct{}
}

func (w *watch) change(act func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	act()
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// await waits until the condition holds, and reports whether it did in time.
func (w *watch) await(holds func() bool) bool {
	late := time.After(patience)
	for {
		changed, ok := w.check(holds)
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-late:
			return false
		}
	}
}

func (w *watch) check(holds func() bool) (<-chan struct{}, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.changed, holds()
}

// inbox holds the messages that a client received, and its own system events, in order.
type inbox struct {
	watch
	received []neffos.Message
	read     int
}

func (i *inbox) add(m neffos.Message) {
	i.change(func() { i.received = append(i.received, m) })
}

// upTo waits for an event. It returns the messages since the last call, including the event itself.
func (i *inbox) upTo(t *testing.T, event string) []neffos.Message {
	t.Helper()
	var found []neffos.Message
	came := i.await(func() bool {
		for at, m := range i.received[i.read:] {
			if m.Event == event {
				found = i.received[i.read : i.read+at+1]
				i.read += at + 1
				return true
			}
		}
		return false
	})
	if !came {
		t.Fatalf("no event %s came, but %v", event, eventsOf(i.received[i.read:]))
	}
	return found
}

// next waits for an event and returns it, without earlier messages.
func (i *inbox) next(t *testing.T, event string) neffos.Message {
	t.Helper()
	messages := i.upTo(t, event)
	return messages[len(messages)-1]
}

func eventsOf(messages []neffos.Message) []string {
	names := make([]string, len(messages))
	for i, m := range messages {
		names[i] = m.Event
	}
	return names
}
