//! The random choices of one part of a world, which follow from its seed.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The choices of one stream or broker link. Each part of a world has its own, so that parts do not depend on the order
/// in which others choose.
#[derive(Debug)]
pub(super) struct Dice {
    generator: StdRng,
    longest_delay: u64,
}

impl Dice {
    /// Creates the choices of part `part`. Some parts are slow, others fast.
    pub(super) fn new(seed: u64, part: u64) -> Self {
        let mut generator = StdRng::seed_from_u64(seed ^ (part + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let longest_delay = generator.random_range(0..=LONGEST_DELAY_MS);
        Self { generator, longest_delay }
    }

    pub(super) fn delay(&mut self) -> Duration {
        Duration::from_millis(self.generator.random_range(0..=self.longest_delay))
    }

    pub(super) fn number(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.generator.random_range(range)
    }

    pub(super) fn size(&mut self, range: RangeInclusive<usize>) -> usize {
        self.generator.random_range(range)
    }
}

const LONGEST_DELAY_MS: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choices_of_a_part_follow_from_the_seed() {
        let choices = |seed, part| {
            let mut dice = Dice::new(seed, part);
            [(); 8].map(|()| dice.number(0..=u64::MAX))
        };
        assert_eq!(choices(1, 1), choices(1, 1));
        assert_ne!(choices(1, 1), choices(1, 2));
        assert_ne!(choices(1, 1), choices(2, 1));
    }
}
