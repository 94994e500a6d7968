//! Writes the page and its pictures from the results.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;
use xtask::Result;

use super::bars::{BARS, Bar, Verdict};
use super::contestants::{CONTESTANTS, Contestant, OURS};
use super::measures::{BRIEF, MEASURES, Measure};
use super::obstacles;
use super::place::Place;
use super::results::Results;
use super::text::{IN_MEMORY, INTRO, METHOD, NOT_MEASURED, Picture, SECTIONS, Section};
use crate::figures::{Figure, Spread, digits, thousands};
use crate::plot::{self, Row};

/// Writes the page and its pictures.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write(results: &Results, place: &Place) -> Result {
    fs::create_dir_all(&place.plots)?;
    for picture in SECTIONS.iter().flat_map(|section| section.plots) {
        let rows = rows(results, picture);
        if !rows.is_empty() {
            fs::write(place.plots.join(picture.file), plot::bars(picture.title, &rows))?;
        }
    }
    Ok(fs::write(&place.page, page(results, &in_memory(&place.in_memory)))?)
}

fn page(results: &Results, in_memory: &[Value]) -> String {
    let mut parts = vec![INTRO.to_owned(), machine(results), METHOD.to_owned(), bars(results), who(results)];
    parts.extend(SECTIONS.iter().map(|section| chapter(results, section)).filter(|chapter| !chapter.is_empty()));
    parts.push(crowds(in_memory));
    parts.push(NOT_MEASURED.to_owned());
    parts.join("\n")
}

fn machine(results: &Results) -> String {
    let fact = |name| said(results.fact(name));
    let apart = match results.fact("apart").as_bool() {
        Some(true) => "the server on core 0, the client on core 1",
        _ => "server and client not apart: there is one core, or no `taskset`",
    };
    let rows = [
        ("processor", format!("{}, {} cores; {apart}", fact("processor"), fact("cores"))),
        ("memory", fact("memory")),
        ("kernel", format!("Linux {}; a process may open {} files", fact("kernel"), fact("open_files"))),
        ("commit", format!("{}, {}", fact("commit"), fact("date"))),
        ("command", format!("`{}`", fact("command"))),
        ("repetitions", results.repetitions().to_string()),
    ];
    let mut table = "| | |\n| --- | --- |\n".to_owned();
    for (name, value) in rows {
        // Writing to a string cannot fail.
        writeln!(table, "| {name} | {value} |").ok();
    }
    table
}

fn bars(results: &Results) -> String {
    let mut table =
        "## What it must show\n\n| | measured | | at most | |\n| --- | ---: | --- | ---: | --- |\n".to_owned();
    for bar in &BARS {
        let (value, terms, met) = match bar.judge(results) {
            None => ("–".to_owned(), "not measured".to_owned(), ""),
            Some(verdict) => {
                (value(bar, verdict.value), terms(bar, verdict), if verdict.is_met { "met" } else { "**missed**" })
            }
        };
        writeln!(table, "| {} | {value} | {terms} | {} | {met} |", bar.text, value_of_limit(bar)).ok();
    }
    let losses = match results.faults_of_ours() {
        Ok(()) => "Nothing that was sent to or by our server was lost, doubled or out of order.".to_owned(),
        Err(faults) => format!("**Faults of our server:** {faults}"),
    };
    format!("{table}\n{losses}\n{}", obstacles::list(results))
}

fn value(bar: &Bar, value: f64) -> String {
    if bar.is_ratio() { format!("{} ×", digits(value)) } else { digits(value) }
}

fn value_of_limit(bar: &Bar) -> String {
    if bar.is_ratio() { format!("{} ×", bar.most) } else { bar.most.to_string() }
}

fn terms(bar: &Bar, Verdict { ours, other, floor, .. }: Verdict) -> String {
    let floor = floor.map_or_else(String::new, |floor| format!("; the floor: {} ×", digits(floor)));
    match other {
        Some(other) => format!("{} to {} ({}){floor}", digits(ours), digits(other), bar.unit()),
        None => bar.unit().to_owned(),
    }
}

fn who(results: &Results) -> String {
    let mut table =
        "## Who is measured\n\n| | name for `--only` | speaks | remarks |\n| --- | --- | --- | --- |\n".to_owned();
    for who in &CONTESTANTS {
        let (Contestant { title, name, remark, .. }, dialect) = (who, who.dialect.name());
        writeln!(table, "| {title} | `{name}` | {dialect} | {remark} |").ok();
    }
    let versions = results.fact("versions").as_object().into_iter().flatten();
    let versions: Vec<_> = versions.map(|(name, version)| format!("{name} {}", said(version))).collect();
    let versions =
        if versions.is_empty() { String::new() } else { format!("\nVersions: {}.\n", versions.join(" · ")) };
    table + &versions
}

fn chapter(results: &Results, section: &Section) -> String {
    let tables = section.tables.iter().filter(|(measure, _)| results.has(measure));
    let tables: Vec<_> = tables.filter_map(|(name, head)| table(results, measure(results, name)?, head)).collect();
    if tables.is_empty() {
        return String::new();
    }
    let drawn = section.plots.iter().filter(|picture| !rows(results, picture).is_empty());
    let plots: String = drawn.map(|picture| format!("![{}](bench/{})\n\n", picture.title, picture.file)).collect();
    format!("## {}\n\n{}\n\n{plots}{}", section.title, section.text, tables.join("\n"))
}

/// Returns the measure of a table: the brief one after a brief run.
fn measure(results: &Results, name: &str) -> Option<&'static Measure> {
    let is_brief = said(results.fact("command")).contains("--brief");
    let measures = if is_brief { &BRIEF[..] } else { &MEASURES[..] };
    measures.iter().find(|measure| measure.name == name)
}

fn table(results: &Results, measure: &Measure, head: &str) -> Option<String> {
    let spread = |who: &Contestant, figure| results.spread(measure.name, who.name, figure);
    let present: BTreeSet<_> = CONTESTANTS.iter().filter(|who| measure.lists(who)).map(|who| who.name).collect();
    let has = |figure: &&Figure| CONTESTANTS.iter().any(|who| spread(who, **figure).is_some());
    let figures: Vec<_> = measure.figures.iter().filter(has).copied().collect();
    let first = *figures.first().or(measure.figures.first())?;
    let reference = CONTESTANTS.iter().find(|who| who.name == measure.reference)?;
    let base = spread(reference, first).map(|spread| spread.median);

    let mut rows: Vec<_> = CONTESTANTS.iter().filter(|who| present.contains(who.name)).collect();
    // The cheapest first, and rows without a figure last.
    rows.sort_by(|one, other| {
        let cost = |who| spread(who, first).map_or(f64::INFINITY, |spread| spread.median);
        cost(one).total_cmp(&cost(other))
    });
    let titles: String = figures.iter().skip(1).map(|figure| format!(" {} |", figure.title())).collect();
    let mut table = format!(
        "**{head}**\n\n| | {} | to {} |{titles} |\n| --- | ---: | ---: |{} --- |\n",
        first.title(),
        measure.reference_title(),
        " ---: |".repeat(figures.len().saturating_sub(1))
    );
    for who in rows.into_iter().filter(|who| !measure.is_for(who) || took_part(results, measure, who)) {
        let ratio = spread(who, first)
            .zip(base)
            .map_or_else(|| "–".to_owned(), |(spread, base)| format!("{} ×", digits(spread.median / base)));
        let others: String =
            figures.iter().skip(1).map(|figure| format!(" {} |", cell(spread(who, *figure)))).collect();
        let notes = notes(results, measure, who);
        writeln!(table, "| {} | {} | {ratio} |{others} {notes} |", who.title, cell(spread(who, first))).ok();
    }
    let command = results.command(measure.name, reference.name).or_else(|| results.command(measure.name, OURS));
    let told = command.map(|command| format!("\n`neffos {}`\n", without_address(command)));
    Some(table + &told.unwrap_or_default())
}

fn took_part(results: &Results, measure: &Measure, who: &Contestant) -> bool {
    results.command(measure.name, who.name).is_some() || results.fault(measure.name, who.name).is_some()
}

fn cell(spread: Option<Spread>) -> String {
    let Some(Spread { median, least, most }) = spread else { return "–".to_owned() };
    format!("{} ({}–{})", digits(median), digits(least), digits(most))
}

/// Returns the losses, or the reason why there is no figure.
fn notes(results: &Results, measure: &Measure, who: &Contestant) -> String {
    let losses = results.losses(measure.name, who.name);
    let named = [("lost", losses.lost), ("doubled", losses.doubled), ("out of order", losses.out_of_order)];
    let counted = named.into_iter().filter(|(_, count)| *count > 0);
    let mut notes: Vec<_> = counted.map(|(name, count)| format!("**{name} {count} of {}**", losses.expected)).collect();
    if !measure.is_for(who) {
        notes.push("cannot".to_owned());
    }
    notes.extend(results.fault(measure.name, who.name).map(|fault| fault.replace(['\n', '|'], " ")));
    notes.join("; ")
}

/// Returns the command as a reader would type it.
fn without_address(command: &str) -> String {
    let mut kept = Vec::new();
    let mut words = command.split(' ');
    while let Some(word) = words.next() {
        match word {
            // Process ids, keys and files, which differ in the next run.
            "--pid" | "--also" | "--api-key" | "--cacert" => drop(words.next()),
            address if address.starts_with("ws://") => kept.push("ws://…"),
            address if address.starts_with("wss://") => kept.push("wss://…"),
            address if address.starts_with("http://") => kept.push("http://…"),
            word => kept.push(word),
        }
    }
    kept.join(" ")
}

fn rows(results: &Results, picture: &Picture) -> Vec<Row> {
    let row = |who: &Contestant| {
        let spread = results.spread(picture.measure, who.name, picture.figure)?;
        Some(Row { title: who.title.trim_matches('*').to_owned(), spread, is_ours: who.name == OURS })
    };
    let mut rows: Vec<_> = CONTESTANTS.iter().filter_map(row).collect();
    rows.sort_by(|one, other| one.spread.median.total_cmp(&other.spread.median));
    rows
}

/// Reads one line of JSON for each run. Other lines are skipped.
fn in_memory(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
}

/// Returns a table with a row for each run, and a column for each field of the first.
fn crowds(runs: &[Value]) -> String {
    if runs.is_empty() {
        return format!("{IN_MEMORY}\nNot measured yet.\n");
    }
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    let fields = runs.iter().filter_map(Value::as_object).flatten().filter(|(_, value)| is_plain(value));
    let names: BTreeSet<_> = fields.map(|(name, _)| name.as_str()).collect();
    let heads: String = names.iter().map(|name| format!(" {} |", name.replace('_', " "))).collect();
    let mut table = format!("{IN_MEMORY}\n|{heads}\n|{}\n", " ---: |".repeat(names.len()));
    for run in runs {
        let cells: String = names.iter().map(|name| format!(" {} |", said(&run[*name]))).collect();
        writeln!(table, "|{cells}").ok();
    }
    table
}

fn said(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.replace('|', " "),
        Value::Number(number) if number.is_u64() => thousands(&number.to_string()),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), digits),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::build::Faults;
    use super::*;

    fn results() -> Results {
        let mut results = Results::begin(json!({ "command": "cargo tools bench" }), &Faults::new());
        let measure = MEASURES.iter().find(|measure| measure.name == "burst-1000").unwrap();
        for (nth, who) in CONTESTANTS.iter().take(4).enumerate() {
            let cost = 0.5 + f64::from(u32::try_from(nth).unwrap());
            let report = json!({
                "deliveries": { "expected": 1000, "received": 990, "lost": if nth == 3 { 10 } else { 0 } },
                "server": { "processor_us_each": cost },
            });
            let command = "bench broadcast ws://127.0.0.1:1/ws --dialect neffos --pid 7 --json --receivers 1000";
            results.add(measure, who, 0, json!({ "command": command, "report": report }));
        }
        results.add(measure, &CONTESTANTS[5], 0, json!({ "fault": "the server | hung up" }));
        results
    }

    #[test]
    fn a_table_has_medians_ratios_losses_and_faults() {
        let page = page(&results(), &[]);
        assert!(page.contains("| **Neffos for Rust** | 0.50 (0.50–0.50) | 0.20 × |"), "{page}");
        assert!(page.contains("**lost 10 of 1000**"), "{page}");
        assert!(page.contains("the server   hung up"), "{page}");
        assert!(page.contains("`neffos bench broadcast ws://… --dialect neffos --json --receivers 1000`"), "{page}");
        assert!(
            page.contains("| 0.14 × | 0.50 to 3.50 (processor, µs each); the floor: 0.43 × | 0.1 × | **missed** |"),
            "{page}"
        );
        assert!(!page.contains("## Rooms"), "{page}");
    }

    #[test]
    fn runs_in_memory_are_shown_unchanged() {
        let runs = [json!({ "connections": 100_000, "bytes_each": 1024.5, "detail": { "x": 1 } })];
        let table = crowds(&runs);
        assert!(table.contains("| bytes each | connections |\n| ---: | ---: |\n| 1,024 | 100,000 |"), "{table}");
        assert!(crowds(&[]).contains("Not measured yet"));
    }
}
