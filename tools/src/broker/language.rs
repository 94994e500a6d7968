//! The commands of two brokers for publishing and subscribing. Pure.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Redis,
    Nats,
}

impl Language {
    /// Returns the first command of a connection, and the end of its reply.
    pub(crate) fn greeting(self) -> (&'static str, &'static str) {
        match self {
            Self::Redis => ("PING\r\n", "+PONG\r\n"),
            Self::Nats => ("CONNECT {\"verbose\":false}\r\nPING\r\n", "PONG\r\n"),
        }
    }

    /// Returns the command that subscribes, and the end of its reply.
    pub(crate) fn subscription(self) -> (&'static str, &'static str) {
        match self {
            Self::Redis => ("SUBSCRIBE c\r\n", ":1\r\n"),
            Self::Nats => ("SUB c 1\r\nPING\r\n", "PONG\r\n"),
        }
    }

    /// Returns commands that publish `count` messages. A batch for NATS ends with a ping.
    pub(crate) fn batch(self, count: usize) -> Vec<u8> {
        let body = "x".repeat(BODY);
        match self {
            Self::Redis => {
                format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n${BODY}\r\n{body}\r\n").repeat(count).into_bytes()
            }
            Self::Nats => (format!("PUB c {BODY}\r\n{body}\r\n").repeat(count) + "PING\r\n").into_bytes(),
        }
    }

    /// Returns the number of reply lines to a batch.
    pub(crate) fn answers(self, count: usize) -> usize {
        match self {
            Self::Redis => count,
            Self::Nats => 1,
        }
    }

    /// Returns the bytes that a subscriber receives for each message.
    pub(crate) fn copy(self) -> usize {
        let head = match self {
            Self::Redis => format!("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n${BODY}\r\n"),
            Self::Nats => format!("MSG c 1 {BODY}\r\n"),
        };
        head.len() + BODY + 2
    }
}

/// A message of 128 bytes, with its names and the envelope.
const BODY: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_each_message_whole() {
        let redis = Language::Redis.batch(2);
        assert_eq!(redis.len(), 2 * (4 + 13 + 7 + 6 + BODY + 2));
        let nats = String::from_utf8(Language::Nats.batch(3)).unwrap();
        assert!(nats.starts_with("PUB c 200\r\nx") && nats.ends_with("x\r\nPING\r\n"));
        assert_eq!(nats.matches("PUB").count(), 3);
    }
}
