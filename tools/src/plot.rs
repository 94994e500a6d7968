//! Pictures with one bar for each row, on a white background, so that they are readable on dark pages, too. Pure.

use std::fmt::Write;

use crate::figures::{Spread, digits};

/// One bar.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) spread: Spread,
    pub(crate) is_ours: bool,
}

/// Draws bars of the medians, each with a line from the least to the most. The scale is logarithmic if the ratio of the
/// values is large.
pub(crate) fn bars(title: &str, rows: &[Row]) -> String {
    let scale = Scale::of(rows);
    let height = TOP + ROW * to_f64(rows.len()) + BOTTOM;
    let mut picture = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" font-family="system-ui, sans-serif" font-size="13">
<title>{title}</title>
<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>
<text x="16" y="28" font-size="15" font-weight="600" fill="#1f2328">{title}</text>
"##
    );
    for tick in scale.ticks() {
        let (x, end) = (scale.x(tick), TOP + ROW * to_f64(rows.len()));
        // Writing to a string cannot fail.
        write!(picture, r##"<path d="M{x:.1} {TOP}V{end}" stroke="#d8dee4"/>"##).ok();
        writeln!(
            picture,
            r##"<text x="{x:.1}" y="{:.1}" text-anchor="middle" fill="#59636e">{}</text>"##,
            end + 18.0,
            label(tick)
        )
        .ok();
    }
    for (nth, row) in rows.iter().enumerate() {
        picture += &bar(row, TOP + ROW * to_f64(nth), &scale);
    }
    if scale.is_logarithmic() {
        let y = height - 12.0;
        writeln!(
            picture,
            r##"<text x="{}" y="{y}" text-anchor="end" fill="#59636e">each line is ten times the one before</text>"##,
            LEFT + SPAN
        )
        .ok();
    }
    picture + "</svg>\n"
}

fn bar(row: &Row, y: f64, scale: &Scale) -> String {
    let Row { title, spread, is_ours } = row;
    let (middle, end) = (y + ROW / 2.0, scale.x(spread.median));
    let (fill, weight) = if *is_ours { ("#0969da", "600") } else { ("#afb8c1", "400") };
    let (least, most) = (scale.x(spread.least), scale.x(spread.most));
    let (top, thick, text) = (y + 4.0, ROW - 8.0, middle + 4.5);
    format!(
        r##"<text x="{}" y="{text}" text-anchor="end" font-weight="{weight}" fill="#1f2328">{title}</text>
<rect x="{LEFT}" y="{top}" width="{:.1}" height="{thick}" fill="{fill}"/>
<path d="M{least:.1} {middle}H{most:.1}M{least:.1} {}v8M{most:.1} {}v8" stroke="#1f2328" fill="none"/>
<text x="{:.1}" y="{text}" font-weight="{weight}" fill="#1f2328">{}</text>
"##,
        LEFT - 10.0,
        (end - LEFT).max(1.0),
        middle - 4.0,
        middle - 4.0,
        most.max(end) + 8.0,
        digits(spread.median),
    )
}

/// Maps values to positions.
#[derive(Debug)]
enum Scale {
    /// From zero to this value.
    Linear(f64),
    /// Between two powers of ten.
    Logarithmic(i32, i32),
}

impl Scale {
    fn of(rows: &[Row]) -> Self {
        let most = rows.iter().map(|row| row.spread.most).fold(f64::MIN_POSITIVE, f64::max);
        let least = rows.iter().map(|row| row.spread.least).fold(most, f64::min).max(most / 1e9);
        match most / least > WIDE {
            true => Self::Logarithmic(power(least, f64::floor), power(most, f64::ceil)),
            false => Self::Linear(most),
        }
    }

    fn is_logarithmic(&self) -> bool {
        matches!(self, Self::Logarithmic(..))
    }

    fn x(&self, value: f64) -> f64 {
        let part = match *self {
            Self::Linear(most) => value / most,
            Self::Logarithmic(first, last) => {
                (value.max(f64::MIN_POSITIVE).log10() - f64::from(first)) / f64::from(last - first)
            }
        };
        LEFT + part.clamp(0.0, 1.0) * SPAN
    }

    fn ticks(&self) -> Vec<f64> {
        match *self {
            Self::Logarithmic(first, last) => (first..=last).map(|power| 10_f64.powi(power)).collect(),
            Self::Linear(most) => {
                let step = round_step(most / 5.0);
                (0..=10).map(|nth| f64::from(nth) * step).take_while(|tick| *tick <= most).collect()
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a power of ten of a number that can be measured")]
fn power(value: f64, round: fn(f64) -> f64) -> i32 {
    round(value.log10()) as i32
}

/// Returns 1, 2 or 5 times a power of ten, and at least `wanted`.
fn round_step(wanted: f64) -> f64 {
    let unit = 10_f64.powi(power(wanted, f64::floor));
    [1.0, 2.0, 5.0].into_iter().map(|times| times * unit).find(|step| *step >= wanted).unwrap_or(10.0 * unit)
}

/// Formats a round number.
fn label(tick: f64) -> String {
    if tick >= 1000.0 {
        digits(tick)
    } else {
        format!("{tick:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
fn to_f64(number: usize) -> f64 {
    number as f64
}

const WIDTH: f64 = 900.0;
/// The start of the bars, and their greatest length. After them is room for a number.
const LEFT: f64 = 260.0;
const SPAN: f64 = 560.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 44.0;
const ROW: f64 = 26.0;
/// From this ratio on, small bars would look the same on a linear scale.
const WIDE: f64 = 30.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn row(median: f64) -> Row {
        Row { title: "x".into(), spread: Spread { median, least: median / 1.1, most: median * 1.1 }, is_ours: false }
    }

    #[test]
    fn values_that_are_far_apart_have_a_logarithmic_scale() {
        let scale = Scale::of(&[row(0.05), row(50.0)]);
        assert_eq!(scale.ticks(), [0.01, 0.1, 1.0, 10.0, 100.0]);
        assert_eq!((scale.x(0.01), scale.x(100.0)), (LEFT, LEFT + SPAN));
        assert!((scale.x(1.0) - LEFT - SPAN / 2.0).abs() < 1e-9);
        assert!(!Scale::of(&[row(1.0), row(2.0)]).is_logarithmic());
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(Scale::Linear(9.3).ticks(), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!([0.01, 2.0, 1000.0].map(label), ["0.01", "2", "1,000"]);
    }

    #[test]
    fn every_row_has_its_bar() {
        let picture = bars("cost", &[row(1.0), row(2.0), row(3.0)]);
        assert_eq!(picture.matches("<rect").count(), 4);
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
    }
}
