//! One axis of a plot, with its ticks. Pure.

/// How values are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Scale {
    #[default]
    Linear,
    Log,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Axis {
    pub(super) name: &'static str,
    scale: Scale,
    from: f64,
    to: f64,
}

impl Axis {
    /// Creates an axis for values from `from` to `to`. A linear axis from zero ends at a tick. A logarithmic one needs
    /// values above zero.
    pub(super) fn new(name: &'static str, scale: Scale, from: f64, to: f64) -> Self {
        let to = match scale {
            Scale::Linear if from.abs() < f64::EPSILON => (to / step(to)).ceil() * step(to),
            _ => to,
        };
        Self { name, scale, from, to }
    }

    /// Returns the position of a value, from 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Log => (value / self.from).ln() / (self.to / self.from).ln(),
        }
    }

    /// Returns round values, each with its text.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let values = match self.scale {
            Scale::Linear => self.linear_ticks(),
            Scale::Log => self.log_ticks(),
        };
        values.into_iter().map(|value| (value, write(value))).collect()
    }

    fn linear_ticks(&self) -> Vec<f64> {
        let step = step(self.to - self.from);
        let nth = |nth: u32| self.from + f64::from(nth) * step;
        (0..=20).map(nth).take_while(|value| *value <= self.to + step * 1e-6).collect()
    }

    /// Returns powers of ten and, if there are few, their doubles and fivefolds.
    fn log_ticks(&self) -> Vec<f64> {
        let factors: &[f64] = if self.to / self.from > 3e4 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = (-9..=12).flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
        powers.filter(|value| (self.from..=self.to * (1.0 + 1e-9)).contains(value)).collect()
    }
}

/// Returns a round step that divides `span` into about five parts.
fn step(span: f64) -> f64 {
    let rough = (span / 5.0).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// Formats a value as briefly as possible.
fn write(value: f64) -> String {
    let (value, unit) = match value.abs() {
        1e9.. => (value / 1e9, "G"),
        1e6.. => (value / 1e6, "M"),
        1e4.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    // Sums of tenths have rounding errors in their last digits.
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_linear_axis_is_marked_at_round_values_up_to_its_end() {
        assert_eq!(written(&Axis::new("", Scale::Linear, 0.0, 0.43)), ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(written(&Axis::new("", Scale::Linear, 0.0, 97_000.0)), ["0", "20k", "40k", "60k", "80k", "100k"]);
    }

    #[test]
    fn a_logarithmic_axis_is_marked_at_powers_and_between_them() {
        assert_eq!(written(&Axis::new("", Scale::Log, 0.08, 1.5)), ["0.1", "0.2", "0.5", "1"]);
        assert_eq!(written(&Axis::new("", Scale::Log, 1.0, 1e5)), ["1", "10", "100", "1000", "10k", "100k"]);
    }

    #[test]
    fn a_value_has_its_place() {
        assert!((Axis::new("", Scale::Linear, 0.0, 10.0).place(5.0) - 0.5).abs() < 1e-9);
        assert!((Axis::new("", Scale::Log, 1.0, 100.0).place(10.0) - 0.5).abs() < 1e-9);
    }
}
