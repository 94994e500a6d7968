//! A program that runs in the background.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// A running program. Dropping it ends the program.
#[derive(Debug)]
pub struct Background {
    name: String,
    child: Child,
    lines: Receiver<String>,
}

impl Background {
    /// Starts `command`. This process reads its standard output; its standard error goes to the terminal.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|fault| format!("{name}: {fault}"))?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            // Reads even without a receiver, because a full pipe would stop the program.
            for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                drop(sender.send(line));
            }
        });
        Ok(Self { name, child, lines })
    }

    /// Returns the id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the rest of the first line that begins with `words`.
    ///
    /// # Errors
    /// If the program ends before it prints the line, or does not print it in time.
    pub fn line_after(&self, words: &str, patience: Duration) -> Result<String> {
        let deadline = Instant::now() + patience;
        while let Some(line) = self.line(deadline)? {
            if let Some(rest) = line.strip_prefix(words) {
                return Ok(rest.trim().to_owned());
            }
        }
        Err(format!("{} ended without the line: {words} …", self.name).into())
    }

    /// Waits until the program has ended by itself.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn end(mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        while self.line(deadline)?.is_some() {}
        Ok(self.child.wait()?)
    }

    /// Returns `None` once the program has closed its output.
    fn line(&self, deadline: Instant) -> Result<Option<String>> {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(format!("{} takes too long", self.name).into()),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // The program may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::command;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn the_line_that_is_waited_for_is_found_among_others() {
        let program = Background::start(command("printf").arg("warming up\\nlistening on 127.0.0.1:1\\n")).unwrap();
        assert_eq!(program.line_after("listening on ", PATIENCE).unwrap(), "127.0.0.1:1");
        assert!(program.end(PATIENCE).unwrap().success());
    }

    #[test]
    fn a_program_that_ends_before_its_line_is_a_fault() {
        let program = Background::start(&mut command("true")).unwrap();
        assert!(program.line_after("listening on ", PATIENCE).is_err());
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let program = Background::start(&mut command("sleep 1000")).unwrap();
        let fault = program.end(Duration::ZERO).unwrap_err();
        assert_eq!(fault.to_string(), "sleep takes too long");
    }
}
