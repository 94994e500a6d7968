//! Steps of a run. Each prints its name and its time, and the first that fails ends the run.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Result;

/// The steps so far.
#[derive(Debug, Default)]
pub struct Steps {
    done: Vec<(String, Duration)>,
    skipped: Vec<String>,
}

impl Steps {
    /// Runs `step`.
    ///
    /// # Errors
    /// If it fails. The text begins with `name`.
    pub fn run(&mut self, name: &str, step: impl FnOnce() -> Result) -> Result {
        println!("\n==> {name}");
        let start = Instant::now();
        let outcome = step();
        let time = start.elapsed();
        outcome.map_err(|fault| format!("FAILED: {name}, after {}: {fault}", seconds(time)))?;
        println!("<== {name}: {}", seconds(time));
        self.done.push((name.to_owned(), time));
        Ok(())
    }

    /// Runs a command whose name is its command line.
    ///
    /// # Errors
    /// If the program cannot be started, or does not exit with 0.
    pub fn command(&mut self, command: &mut Command) -> Result {
        self.run(&command_line(command), || run(command))
    }

    /// Skips a step, for a reason outside of the project.
    pub fn skip(&mut self, name: &str, reason: &str) {
        println!("\n==> {name}: skipped, {reason}");
        self.skipped.push(format!("{name}: {reason}"));
    }

    /// Prints the time of each step, and the skipped steps.
    pub fn print_times(&self) {
        println!("\nall steps passed");
        for skipped in &self.skipped {
            println!("  skipped  {skipped}");
        }
        for (name, time) in &self.done {
            println!("{:>9}  {name}", seconds(*time));
        }
        println!("{:>9}  in all", seconds(self.done.iter().map(|(_, time)| *time).sum()));
    }
}

/// Creates a command from its words, which contain no blanks.
pub fn command(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// Runs `command` to its end, with the output of this process.
///
/// # Errors
/// If it cannot be started, or does not exit with 0.
pub fn run(command: &mut Command) -> Result {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|fault| format!("{program}: {fault}"))?;
    if !status.success() {
        return Err(format!("{program}: {status}").into());
    }
    Ok(())
}

/// Returns the output of `command`.
///
/// # Errors
/// If it cannot be started, or does not exit with 0.
pub fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|fault| format!("{program}: {fault}"))?;
    if !output.status.success() {
        return Err(format!("{program}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns the text of a file.
///
/// # Errors
/// If it cannot be read. The text names the file.
pub fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    Ok(fs::read_to_string(path).map_err(|fault| format!("{}: {fault}", path.display()))?)
}

fn command_line(command: &Command) -> String {
    let mut words: Vec<_> = vec![command.get_program()];
    words.extend(command.get_args());
    let line: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    match command.get_current_dir() {
        Some(folder) => format!("{} ({})", line.join(" "), folder.display()),
        None => line.join(" "),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_named() {
        let fault = Steps::default().run("layers", || Err("broken".into())).unwrap_err();
        assert!(fault.to_string().starts_with("FAILED: layers, after "), "{fault}");
        assert!(fault.to_string().ends_with(": broken"), "{fault}");
    }

    #[test]
    fn a_command_is_named_by_its_line_and_folder() {
        assert_eq!(command_line(command("npm run check").current_dir("interop/js")), "npm run check (interop/js)");
    }

    #[test]
    fn a_program_that_ends_with_another_code_than_0_fails() {
        assert!(run(&mut command("true")).is_ok());
        assert!(run(&mut command("false")).is_err());
    }
}
