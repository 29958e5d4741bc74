//! Columns of text. Knows not what stands in them.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};
use snakepit_python::Verdict;

pub(super) const NAME: Style = AnsiColor::Cyan.on_default().bold();
pub(super) const DIM: Style = AnsiColor::BrightBlack.on_default();
pub(super) const BOLD: Style = Style::new().bold();

/// Words side by side, each in its style, aligned over all rows. The last column may be of any width.
pub(super) fn aligned(rows: &[Vec<(Style, String)>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(|column| width(rows, column)).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn width(rows: &[Vec<(Style, String)>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells
        .map(|(_, text)| text.chars().count())
        .max()
        .unwrap_or(0)
}

fn line(row: &[(Style, String)], widths: &[usize]) -> String {
    let mut line = String::new();
    for (index, ((style, text), width)) in row.iter().zip(widths).enumerate() {
        let last = index + 1 == row.len();
        let padding = if last {
            0
        } else {
            width - text.chars().count() + 2
        };
        let _ = write!(line, "{style}{text}{style:#}{:padding$}", "");
    }
    line
}

pub(super) fn style_of(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Ok => AnsiColor::Green.on_default().bold(),
        Verdict::Unknown => AnsiColor::Magenta.on_default().bold(),
        Verdict::Caution => AnsiColor::Yellow.on_default().bold(),
        Verdict::Unsafe => AnsiColor::Red.on_default().bold(),
    }
}
