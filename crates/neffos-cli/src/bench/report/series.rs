//! Repeated runs, and series of them.

use serde_json::{Value, json};

use super::Report;

/// The runs of one measurement.
#[derive(Debug)]
pub(in crate::bench) struct Series {
    /// At least one run.
    pub(in crate::bench) runs: Vec<Report>,
}

/// All results: a series for each number of receivers.
#[derive(Debug)]
pub(in crate::bench) struct Study {
    /// At least one series.
    pub(in crate::bench) series: Vec<Series>,
}

/// The number to pick out of several.
#[derive(Debug, Clone, Copy)]
enum Pick {
    Median,
    Least,
    Most,
}

/// The spread of one number over all runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bench) struct Spread {
    pub(in crate::bench) median: f64,
    pub(in crate::bench) least: f64,
    pub(in crate::bench) most: f64,
}

impl Study {
    /// Whether every delivery arrived once and in order, and the server closed no connection.
    pub(in crate::bench) fn is_clean(&self) -> bool {
        let mut runs = self.series.iter().flat_map(|series| &series.runs);
        runs.all(|run| run.left == 0 && run.deliveries.is_none_or(|sums| sums.is_clean()))
    }

    /// Returns one series unchanged, or several as a list under `growth`.
    pub(in crate::bench) fn to_json(&self) -> String {
        let value = match &self.series[..] {
            [series] => series.to_json(),
            all => json!({ "growth": all.iter().map(Series::to_json).collect::<Vec<_>>() }),
        };
        value.to_string()
    }
}

impl Series {
    /// Returns `None` if the number was not measured.
    pub(in crate::bench) fn spread(&self, value: impl Fn(&Report) -> Option<f64>) -> Option<Spread> {
        let mut values: Vec<_> = self.runs.iter().filter_map(value).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Spread { median: middle(&values), least, most })
    }

    /// Returns one run unchanged, or several runs with the median, the least and the most of each number.
    fn to_json(&self) -> Value {
        let run = |report: &Report| serde_json::to_value(report).unwrap_or_else(|err| json!(err.to_string()));
        let mut runs: Vec<_> = self.runs.iter().map(run).collect();
        if runs.len() == 1 {
            return runs.remove(0);
        }
        let all: Vec<_> = runs.iter().collect();
        let [median, min, max] = [Pick::Median, Pick::Least, Pick::Most].map(|pick| fold(&all, pick));
        json!({ "runs": runs, "median": median, "min": min, "max": max })
    }
}

/// Folds several values of the same shape into one.
fn fold(values: &[&Value], pick: Pick) -> Value {
    match values.first() {
        Some(Value::Object(fields)) => {
            let folded = fields.keys().map(|key| {
                let under: Vec<_> = values.iter().filter_map(|value| value.get(key)).collect();
                (key.clone(), fold(&under, pick))
            });
            Value::Object(folded.collect())
        }
        Some(Value::Number(_)) => number(values, pick),
        Some(other) => (*other).clone(),
        None => Value::Null,
    }
}

/// Picks a number. A measured number stays unchanged.
fn number(values: &[&Value], pick: Pick) -> Value {
    let mut sorted = values.to_vec();
    sorted.sort_by(|left, right| float(left).total_cmp(&float(right)));
    match pick {
        Pick::Least => sorted[0].clone(),
        Pick::Most => sorted[sorted.len() - 1].clone(),
        Pick::Median if sorted.len() % 2 == 1 => sorted[sorted.len() / 2].clone(),
        Pick::Median => json!(middle(&sorted.iter().map(|value| float(value)).collect::<Vec<_>>())),
    }
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// Returns the median of sorted values, of which there is at least one.
fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(seconds: &[f64]) -> Series {
        let run = |seconds: &f64| Report { mode: "idle", seconds: *seconds, ..Report::default() };
        Series { runs: seconds.iter().map(run).collect() }
    }

    fn json_of(study: &Study) -> Value {
        serde_json::from_str(&study.to_json()).unwrap()
    }

    #[test]
    fn one_run_is_reported_unchanged() {
        let study = Study { series: vec![series(&[2.0])] };
        assert_eq!(json_of(&study), json!({ "mode": "idle", "connections": 0, "left": 0, "seconds": 2.0 }));
    }

    #[test]
    fn several_runs_are_kept_and_summed_up_number_by_number() {
        let told = json_of(&Study { series: vec![series(&[3.0, 1.0, 2.0])] });
        assert_eq!(told["runs"].as_array().unwrap().len(), 3);
        let seconds = ["median", "min", "max"].map(|pick| told[pick]["seconds"].as_f64().unwrap());
        assert_eq!(seconds, [2.0, 1.0, 3.0]);
        assert_eq!((&told["median"]["connections"], &told["median"]["mode"]), (&json!(0), &json!("idle")));
    }

    #[test]
    fn several_series_are_a_list() {
        let told = json_of(&Study { series: vec![series(&[1.0]), series(&[1.0, 2.0])] });
        assert_eq!(
            (&told["growth"][0]["seconds"], &told["growth"][1]["median"]["seconds"]),
            (&json!(1.0), &json!(1.5))
        );
    }

    #[test]
    fn a_number_that_was_not_measured_has_no_spread() {
        assert_eq!(series(&[1.0]).spread(|run| run.messages.map(|_| 1.0)), None);
        let spread = series(&[4.0, 1.0]).spread(|run| Some(run.seconds)).unwrap();
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 4.0 });
    }
}
