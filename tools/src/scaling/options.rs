//! The arguments of `scaling`.

use xtask::Result;

use super::load::Load;

#[derive(Debug, PartialEq)]
pub(super) struct Options {
    pub(super) task: Task,
}

#[derive(Debug, PartialEq)]
pub(super) enum Task {
    /// Prints the needs of a load.
    Print(Load),
    /// Writes the tables of the page again.
    Page,
    /// Measures the costs of brokers, and saves them.
    Measure,
}

impl Options {
    pub(super) fn parse(arguments: &[&str]) -> Result<Self> {
        match arguments {
            ["--page"] => return Ok(Self { task: Task::Page }),
            ["--measure"] => return Ok(Self { task: Task::Measure }),
            _ => {}
        }
        let mut load = EXAMPLE;
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let number = || words.clone().next().ok_or_else(|| format!("{word}: its value is missing"));
            let field = match *word {
                "--servers" => &mut load.servers,
                "--connections" => &mut load.connections,
                "--rooms" => &mut load.rooms,
                "--room-size" => &mut load.room_size,
                "--rate" => &mut load.rate,
                unknown => return Err(format!("no such argument: {unknown}").into()),
            };
            *field = positive(word, number()?)?;
            words.next();
        }
        Ok(Self { task: Task::Print(load) })
    }
}

fn positive(name: &str, text: &str) -> Result<f64> {
    let number: f64 = text.replace('_', "").parse().map_err(|fault| format!("{name}: {fault}"))?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err(format!("{name}: must be above zero").into()) }
}

/// A million connections, in rooms of ten.
pub(super) const EXAMPLE: Load = Load { servers: 10.0, connections: 1e6, rooms: 1e5, room_size: 10.0, rate: 1.0 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_are_those_of_the_example() {
        let expected = Load { servers: 3.0, rate: 0.5, ..EXAMPLE };
        let options = Options::parse(&["--servers", "3", "--rate", "0.5"]).unwrap();
        assert_eq!(options.task, Task::Print(expected));
        assert_eq!(Options::parse(&["--connections", "1_000_000"]).unwrap().task, Task::Print(EXAMPLE));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for arguments in [&["--rate", "0"][..], &["--rate"], &["--servers", "x"], &["--nodes", "1"], &["--rate", "inf"]]
        {
            assert!(Options::parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
