package client

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

const crowd = 50

func TestACrowdIsServedConcurrently(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		guests := make([]place, crowd)
		together(func(i int) { guests[i] = w.newcomer(i) })
		if t.Failed() {
			t.FailNow()
		}
		if count := w.ctl("count"); count != fmt.Sprintf("%d\n", crowd) {
			t.Fatalf("%s connections", count)
		}
		together(func(i int) { guests[i].Room("lobby").Emit("chatall", []byte(guests[i].guest.ID)) })
		orders := make([]string, crowd)
		together(func(i int) { orders[i] = guests[i].hearsEveryone() })
		if distinct := slices.Compact(orders); len(distinct) > 1 {
			t.Errorf("not all heard the same, but %q", distinct)
		}
		together(func(i int) { guests[i].asksMuch() })
	})
}

// newcomer returns a guest in the lobby. It must not fail the test directly, because it runs in another goroutine.
func (w world) newcomer(number int) place {
	g, err := w.tryDial(visit{header: headers("X-Id", fmt.Sprint("guest ", number))})
	if err != nil {
		w.t.Error(err)
		return place{}
	}
	p, err := g.tryConnect("default")
	if err != nil {
		w.t.Error(err)
		return place{}
	}
	if _, err := p.tryJoin("lobby"); err != nil {
		w.t.Error(err)
	}
	return p
}

// hearsEveryone waits until all have broadcast, and returns the senders in order of arrival.
func (p place) hearsEveryone() string {
	var speakers []string
	inbox := p.guest.inbox
	complete := inbox.await(func() bool {
		for ; inbox.read < len(inbox.received); inbox.read++ {
			if m := inbox.received[inbox.read]; m.Event == "chatall" {
				speakers = append(speakers, string(m.Body))
			}
		}
		return len(speakers) == crowd
	})
	if !complete {
		p.guest.t.Errorf("%s heard %d", p.guest.ID, len(speakers))
	}
	return strings.Join(speakers, ", ")
}

func (p place) asksMuch() {
	for i := range 20 {
		question := fmt.Sprint(p.guest.ID, " asks ", i)
		if answer, err := p.tryAsk("echo", question); answer != question {
			p.guest.t.Errorf("%s: %s, %v", question, answer, err)
		}
	}
}

// together runs act for each guest of the crowd concurrently.
func together(act func(number int)) {
	var busy sync.WaitGroup
	for i := range crowd {
		busy.Add(1)
		go func() {
			defer busy.Done()
			act(i)
		}()
	}
	busy.Wait()
}
