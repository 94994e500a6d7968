//! Fills the tables of `docs/scaling.md`, each between `<!-- table: NAME -->` and `<!-- end -->`.

use std::fs;

use xtask::Result;
use xtask::steps::read;

use super::tables;
use crate::costs::Costs;

/// # Errors
/// If a file cannot be read or written, or the page names an unknown table.
pub(super) fn write(costs: &Costs) -> Result {
    fs::write(PICTURE, tables::picture())?;
    Ok(fs::write(PAGE, filled(&read(PAGE)?, costs)?)?)
}

fn filled(page: &str, costs: &Costs) -> Result<String> {
    let mut parts = page.split(BEGIN);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->").ok_or("a table without a name")?;
        let (_, rest) = rest.split_once(END).ok_or_else(|| format!("the table {name} does not end"))?;
        let table = tables::of_page(name, costs).ok_or_else(|| format!("there is no table {name}"))?;
        filled += &format!("{BEGIN}{name} -->\n\n{table}\n{END}{rest}");
    }
    Ok(filled)
}

const PAGE: &str = "docs/scaling.md";
const PICTURE: &str = "docs/bench/wirings.svg";
const BEGIN: &str = "<!-- table: ";
const END: &str = "<!-- end -->";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::costs::{self, tests::costs};

    #[test]
    fn the_tables_of_the_page_are_those_of_the_model_and_the_measured_costs() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let [page, picture, costs] = [PAGE, PICTURE, costs::FILE].map(|file| read(root.join(file)).unwrap());
        let is_current = filled(&page, &Costs::parse(&costs).unwrap()).unwrap() == page;
        assert!(is_current && picture == tables::picture(), "please run `cargo tools scaling --page`");
    }

    #[test]
    fn a_table_is_replaced_and_the_text_around_it_stays() {
        let page = "before\n<!-- table: server -->\nold\n<!-- end -->\nafter\n";
        let filled = filled(page, &costs()).unwrap();
        assert!(filled.starts_with("before\n<!-- table: server -->\n\n| connections |"), "{filled}");
        assert!(filled.ends_with("|\n\n<!-- end -->\nafter\n") && !filled.contains("old"), "{filled}");
        assert_eq!(super::filled(&filled, &costs()).unwrap(), filled);
    }

    #[test]
    fn an_unknown_table_is_a_fault() {
        for page in ["<!-- table: other -->\n<!-- end -->", "<!-- table: server -->\n", "<!-- table: x"] {
            assert!(filled(page, &costs()).is_err(), "{page}");
        }
    }
}
