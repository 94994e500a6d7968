//! Random numbers for names and delays. A simulation seeds those of its thread.

use rand::distr::{Distribution, StandardUniform};

/// Returns a random number: unpredictable, unless a simulation has seeded this thread.
pub(crate) fn random<T>() -> T
where
    StandardUniform: Distribution<T>,
{
    #[cfg(feature = "testing")]
    if let Some(number) = seeded::random() {
        return number;
    }
    rand::random()
}

#[cfg(feature = "testing")]
pub(crate) use seeded::Seeded;

#[cfg(feature = "testing")]
mod seeded {
    use std::cell::RefCell;
    use std::marker::PhantomData;

    use rand::distr::{Distribution, StandardUniform};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    thread_local! {
        static GENERATOR: RefCell<Option<StdRng>> = const { RefCell::new(None) };
    }

    pub(super) fn random<T>() -> Option<T>
    where
        StandardUniform: Distribution<T>,
    {
        GENERATOR.with_borrow_mut(|generator| generator.as_mut().map(StdRng::random))
    }

    /// While it exists, the random numbers of this thread follow from a seed.
    #[derive(Debug)]
    pub(crate) struct Seeded(PhantomData<*const ()>);

    impl Seeded {
        pub(crate) fn new(seed: u64) -> Self {
            GENERATOR.set(Some(StdRng::seed_from_u64(seed)));
            Self(PhantomData)
        }
    }

    impl Drop for Seeded {
        fn drop(&mut self) {
            GENERATOR.set(None);
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers_until_its_guard_is_dropped() {
        let numbers = |seed| {
            let _seeded = Seeded::new(seed);
            [random::<u128>(), random()]
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert_ne!(random::<u128>(), numbers(1)[0]);
    }
}
