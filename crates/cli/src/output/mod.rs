//! What commands print on stdout: one report, in one of three forms.
//!
//! stdout is data and nothing else; whatever is said to a person beside it goes to stderr.

mod id_list;
mod sheet;

use std::io::Write;

use serde::Serialize;

use crate::failure::{Failure, stdout_failed};
use crate::talk::colors;
pub(crate) use id_list::IdList;
pub(crate) use sheet::Sheet;

/// The form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: the same fields as REST.
    Json,
    /// Ids or names only, one a line.
    Quiet,
}

/// Something that can be printed in every [`Format`]; as JSON it is itself.
pub(crate) trait Report: Serialize {
    /// The form for people.
    fn sheet(&self) -> Sheet;

    /// Ids or names, in the order of the sheet.
    fn ids(&self) -> Vec<String>;
}

/// Where and how reports are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// The form.
    pub(crate) format: Format,
    /// Whether a sheet may be coloured.
    color: bool,
}

impl Output {
    /// Prints in `format`; in colour when a person looks and has not set `NO_COLOR`.
    pub(crate) fn new(format: Format) -> Output {
        Output {
            format,
            color: colors(&std::io::stdout()),
        }
    }

    /// Prints a report.
    pub(crate) fn show(&self, report: &impl Report) -> Result<(), Failure> {
        let text = render(report, self.format, self.color);
        self.write(text.as_bytes())
    }

    /// Prints one value as one line of JSON, whatever the format is.
    pub(crate) fn json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(value).expect("a report has string keys only");
        line.push(b'\n');
        self.write(&line)
    }

    /// Prints bytes as they are.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        written.map_err(stdout_failed)
    }
}

fn render(report: &impl Report, format: Format, color: bool) -> String {
    match format {
        Format::Table => report.sheet().render(color),
        Format::Json => {
            let json = serde_json::to_string_pretty(report);
            json.expect("a report has string keys only") + "\n"
        }
        Format::Quiet => report.ids().iter().map(|id| format!("{id}\n")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Fruit {
        items: Vec<&'static str>,
    }

    impl Report for Fruit {
        fn sheet(&self) -> Sheet {
            let mut sheet = Sheet::new(&["NAME", "LETTERS"]);
            for item in &self.items {
                sheet.row([item.to_string(), item.len().to_string()]);
            }
            sheet.note("that is all".to_owned());
            sheet
        }

        fn ids(&self) -> Vec<String> {
            self.items.iter().map(ToString::to_string).collect()
        }
    }

    #[test]
    fn a_report_has_three_forms() {
        let fruit = Fruit {
            items: vec!["fig", "cherry"],
        };
        let table = "NAME    LETTERS\nfig     3\ncherry  6\n\nthat is all\n";
        assert_eq!(render(&fruit, Format::Table, false), table);
        assert_eq!(render(&fruit, Format::Quiet, false), "fig\ncherry\n");
        let json: serde_json::Value =
            serde_json::from_str(&render(&fruit, Format::Json, false)).unwrap();
        assert_eq!(json, serde_json::json!({"items": ["fig", "cherry"]}));
    }

    #[test]
    fn an_empty_report_says_so_only_to_people() {
        let none = Fruit { items: vec![] };
        assert_eq!(
            render(&none, Format::Table, false),
            "(none)\n\nthat is all\n"
        );
        assert_eq!(render(&none, Format::Quiet, false), "");
    }
}
