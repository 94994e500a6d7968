//! Several runs of the same, and several such series.

use serde_json::{Value, json};

use super::Report;

/// The same, as often as it was measured.
#[derive(Debug)]
pub(in crate::bench) struct Series {
    /// At least one.
    pub(in crate::bench) runs: Vec<Report>,
}

/// All that was measured: a series for each number of receivers.
#[derive(Debug)]
pub(in crate::bench) struct Study {
    /// At least one.
    pub(in crate::bench) series: Vec<Series>,
}

/// What is left of several numbers.
#[derive(Debug, Clone, Copy)]
enum Pick {
    Median,
    Least,
    Most,
}

/// Of one number over all runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bench) struct Spread {
    pub(in crate::bench) median: f64,
    pub(in crate::bench) least: f64,
    pub(in crate::bench) most: f64,
}

impl Study {
    /// Whether everything came that was promised, once, and in order, and everybody stayed.
    pub(in crate::bench) fn is_clean(&self) -> bool {
        let mut runs = self.series.iter().flat_map(|series| &series.runs);
        runs.all(|run| run.left == 0 && run.deliveries.is_none_or(|sums| sums.is_clean()))
    }

    /// One series as it is; several as a list, under `growth`.
    pub(in crate::bench) fn to_json(&self) -> String {
        let value = match &self.series[..] {
            [series] => series.to_json(),
            all => json!({ "growth": all.iter().map(Series::to_json).collect::<Vec<_>>() }),
        };
        value.to_string()
    }
}

impl Series {
    /// None when it was not measured.
    pub(in crate::bench) fn spread(&self, value: impl Fn(&Report) -> Option<f64>) -> Option<Spread> {
        let mut values: Vec<_> = self.runs.iter().filter_map(value).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Spread { median: middle(&values), least, most })
    }

    /// One run as it is; several with the median, the least and the most of every number, each by itself.
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

/// One value out of several of the same shape.
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

/// A number that was measured stays as it was written.
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

/// Of sorted values, at least one.
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
    fn one_run_is_told_as_it_is() {
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
    fn what_was_not_measured_has_no_spread() {
        assert_eq!(series(&[1.0]).spread(|run| run.messages.map(|_| 1.0)), None);
        let spread = series(&[4.0, 1.0]).spread(|run| Some(run.seconds)).unwrap();
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 4.0 });
    }
}
