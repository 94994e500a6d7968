// Package client tests the Go client against a server: the program that NEFFOS_SCENARIO names.
package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The longest time that a test waits for anything.
const patience = 20 * time.Second

// server is a running program under test.
type server struct {
	t          *testing.T
	address    string
	process    *exec.Cmd
	complaints bytes.Buffer
	ended      chan error
}

// startServer starts the program on a free port, and stops it at the end of the test.
func startServer(t *testing.T, flags ...string) *server {
	t.Helper()
	program := os.Getenv("NEFFOS_SCENARIO")
	if program == "" {
		t.Fatal("NEFFOS_SCENARIO must name the program to test, see README.md")
	}
	s := &server{t: t, ended: make(chan error, 1)}
	s.process = exec.Command(program, append([]string{"--addr", "127.0.0.1:0"}, flags...)...)
	s.process.Stderr = &s.complaints
	output, err := s.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.awaitAddress(output)
	return s
}

func (s *server) awaitAddress(output io.Reader) {
	s.t.Helper()
	address := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if found, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				address <- found
			}
		}
		s.ended <- s.process.Wait()
	}()
	select {
	case s.address = <-address:
	case err := <-s.ended:
		s.ended <- err
		s.t.Fatalf("the server ended with %v: %s", err, &s.complaints)
	case <-time.After(patience):
		s.t.Fatal("the server does not listen")
	}
}

// stop asks the server to end, which must succeed in time. A second call has no effect.
func (s *server) stop() {
	s.t.Helper()
	// The server may have ended already, and then there is no process to signal.
	_ = s.process.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		s.ended <- err
		if err != nil {
			s.t.Errorf("the server ended with %v: %s", err, &s.complaints)
		}
	case <-time.After(patience):
		_ = s.process.Process.Kill()
		s.t.Error("the server did not end after SIGTERM")
	}
}

// ctl makes a call inside the server. Parameters are names and values, alternately.
func (s *server) ctl(op string, parameters ...string) string {
	s.t.Helper()
	query := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	asker := http.Client{Timeout: patience}
	response, err := asker.Get("http://" + s.address + "/ctl/" + op + "?" + query.Encode())
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s %v", op, response.Status, err)
	}
	return string(text)
}

// outcome is the result of a call inside the server.
type outcome struct {
	Err *string
	Msg string
}

func (s *server) call(op string, parameters ...string) outcome {
	s.t.Helper()
	text := s.ctl(op, parameters...)
	var result outcome
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		s.t.Fatalf("%s: %q: %v", op, text, err)
	}
	return result
}

// succeeds makes a call that must succeed, and returns its message.
func (s *server) succeeds(op string, parameters ...string) string {
	s.t.Helper()
	result := s.call(op, parameters...)
	if result.Err != nil {
		s.t.Fatalf("%s: %s", op, *result.Err)
	}
	return result.Msg
}

// refused makes a call that must fail with this text.
func (s *server) refused(text, op string, parameters ...string) {
	s.t.Helper()
	result := s.call(op, parameters...)
	if result.Err == nil || *result.Err != text {
		s.t.Fatalf("%s: %s, want the error %q", op, s.describe(result), text)
	}
}

func (s *server) describe(result outcome) string {
	if result.Err == nil {
		return "success"
	}
	return *result.Err
}

// log returns all lines of the server's journal since the last call.
func (s *server) log() string {
	s.t.Helper()
	var lines []string
	if err := json.Unmarshal([]byte(s.ctl("log")), &lines); err != nil {
		s.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
