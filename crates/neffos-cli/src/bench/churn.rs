//! Connections that join a room and leave it in a loop during a measurement, on a separate thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::fleet::{Berth, Fleet, Observer, Place, Reading};
use super::ground::{Ground, TICK};
use super::talk::{Heard, Part};
use super::wire::{TEXT, put_frame};

/// Connected clients that have not started to join and leave.
pub(super) struct Churners {
    fleet: Fleet,
    changes: Changes,
}

impl Churners {
    /// Connects `count` clients; returns `None` for zero.
    pub(super) fn open(ground: &mut Ground, count: usize) -> Result<Option<Self>, String> {
        if count == 0 {
            return Ok(None);
        }
        let mut fleet = ground.fleet()?;
        let berth = Berth { part: Part::default(), reading: Reading::Always };
        ground.open(&mut fleet, std::iter::repeat_n(berth, count))?;
        let tongue = &ground.target.script.tongue;
        let turns = (0..count).map(|nth| Some(Turn { lines: tongue.membership(&format!("churn-{nth}"))?, done: 0 }));
        let turns = turns.collect::<Option<_>>().ok_or("--churning: the dialect cannot join and leave")?;
        Ok(Some(Self { fleet, changes: Changes { turns, fault: None } }))
    }

    pub(super) fn len(&self) -> usize {
        self.fleet.len()
    }

    pub(super) fn start(mut self) -> Churning {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        Churning { stop, thread: std::thread::spawn(move || self.run(&stopped)) }
    }

    /// Joins and leaves as fast as the server answers. Returns the number of answered changes.
    fn run(&mut self, stop: &AtomicBool) -> Result<u64, String> {
        for (member, turn) in self.changes.turns.iter().enumerate() {
            let mut first = Vec::new();
            turn.say(&mut first);
            self.fleet.send(member, &first)?;
        }
        while !stop.load(Ordering::Relaxed) {
            self.fleet.turn(&mut self.changes, TICK)?;
            if self.fleet.left() > 0 {
                return Err("the server closed a connection that joined and left".to_owned());
            }
            if let Some(fault) = self.changes.fault.take() {
                return Err(fault);
            }
        }
        Ok(self.changes.turns.iter().map(|turn| turn.done).sum())
    }
}

/// Clients that join and leave until they are stopped.
pub(super) struct Churning {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64, String>>,
}

impl Churning {
    /// Stops the clients. Returns the number of answered joins and leaves, or an error if one was refused.
    pub(super) fn stop(self) -> Result<u64, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the thread that joins and leaves panicked".to_owned())?
    }
}

/// The next change of each client.
struct Changes {
    turns: Vec<Turn>,
    fault: Option<String>,
}

struct Turn {
    lines: [String; 2],
    done: u64,
}

impl Turn {
    /// Writes a join after an even number of changes, and a leave after an odd one.
    fn say(&self, out: &mut Vec<u8>) {
        let line = &self.lines[usize::from(self.done % 2 == 1)];
        put_frame(out, TEXT, line.as_bytes());
    }
}

impl Observer for Changes {
    fn hear(&mut self, at: Place, heard: Heard<'_>, out: &mut Vec<u8>) {
        match heard {
            Heard::Answer(_) => {
                let turn = &mut self.turns[at.member];
                turn.done += 1;
                turn.say(out);
            }
            Heard::Refusal(reason) => {
                self.fault = Some(format!("a change of rooms was refused: {}", String::from_utf8_lossy(reason)));
            }
            // These clients also receive the broadcasts to the namespace.
            Heard::Delivery(_) | Heard::Heartbeat(_) | Heard::Nothing => {}
        }
    }
}
