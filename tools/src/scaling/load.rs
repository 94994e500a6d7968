//! The load of a cluster's clients. Pure.

/// All clients of all servers, distributed evenly and at random.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub(super) servers: f64,
    pub(super) connections: f64,
    pub(super) rooms: f64,
    /// The members of each room.
    pub(super) room_size: f64,
    /// Messages to each room in a second, each to all its members.
    pub(super) rate: f64,
}

impl Load {
    /// Returns the messages of all clients in a second.
    pub(super) fn said(&self) -> f64 {
        self.rooms * self.rate
    }

    /// Returns the number of servers on which a room has members, on average.
    pub(super) fn servers_of_a_room(&self) -> f64 {
        let empty = 1.0 - 1.0 / self.servers;
        self.servers * (1.0 - empty.powf(self.room_size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(servers: f64, room_size: f64) -> f64 {
        Load { servers, connections: 1.0, rooms: 1.0, room_size, rate: 1.0 }.servers_of_a_room()
    }

    #[test]
    fn a_room_is_on_no_more_servers_than_there_are_and_than_it_has_members() {
        assert_eq!(spread(1.0, 10.0), 1.0);
        assert!((spread(10.0, 1.0) - 1.0).abs() < 1e-9);
        assert!(spread(1000.0, 10.0) > 9.9 && spread(1000.0, 10.0) < 10.0);
        assert!(spread(3.0, 1000.0) > 2.999);
    }

    #[test]
    fn two_members_are_on_the_same_of_two_servers_half_of_the_time() {
        assert_eq!(spread(2.0, 2.0), 1.5);
    }
}
