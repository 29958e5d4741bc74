//! Pictures of a section as SVG text: scales, axes, marks. Colours come from the page; must not know what is measured.
//!
//! Who is who does not rest on colour alone: the interpreter is the colour, the profile is the mark and the dashes, and bars
//! have names and figures beside them.

mod bars;
mod lines;
mod scale;

use std::fmt::Write as _;

use super::contestants::Kind;
use super::section::{Picture, Section, Who};

/// Width of every picture, in its own units: about the pixels of a column of text.
const WIDTH: f64 = 860.0;

/// The picture of a section, with its legend.
pub(super) fn picture(section: &Section) -> String {
    if section.rows.is_empty() {
        return String::new();
    }
    match section.picture {
        Picture::Lines => lines::draw(section),
        Picture::Bars => bars::draw(section),
    }
}

/// The patterns bars are filled with, once for the page: hatched in the colour of each interpreter.
pub(super) fn patterns(interpreters: usize) -> String {
    let mut text =
        "<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\"><defs>"
            .to_owned();
    for index in 0..interpreters {
        let _ = write!(
            text,
            "<pattern id=\"hatch{index}\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect width=\"7\" height=\"7\" class=\"pale i{index}\"/>\
             <rect width=\"3\" height=\"7\" class=\"fill i{index}\"/></pattern>"
        );
    }
    text.push_str("</defs></svg>");
    text
}

/// The largest figure a picture shows: a single slow round must not squeeze all others into a corner, so whiskers are cut at
/// twice the largest median.
fn limit(section: &Section) -> f64 {
    let over = |figure: fn((f64, f64, f64)) -> f64| {
        let ranges = section
            .rows
            .iter()
            .flat_map(|row| (0..section.points.len()).map(|point| row.range(point)));
        ranges.map(figure).fold(0.0, f64::max)
    };
    over(|(_, _, high)| high).min(2.0 * over(|(_, middle, _)| middle))
}

/// Opens a picture: as wide as the page, as high as asked for, with a text for those who do not see it.
fn open(title: &str, height: f64) -> String {
    format!(
        "<div class=\"wide\"><svg class=\"picture\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">",
        super::html::escape(title)
    )
}

/// The mark of a profile at a place: circle, square, triangle.
fn mark(text: &mut String, who: &Who, x: f64, y: f64) {
    let index = who.interpreter;
    let _ = match who.kind {
        Kind::Process => write!(
            text,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" class=\"mark i{index}\"/>"
        ),
        Kind::Thread => write!(
            text,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8.4\" height=\"8.4\" class=\"mark i{index}\"/>",
            x - 4.2,
            y - 4.2
        ),
        Kind::Interpreter => write!(
            text,
            "<path d=\"M{x:.1} {:.1}l5.4 9.4h-10.8z\" class=\"mark i{index}\"/>",
            y - 5.6
        ),
    };
}

/// The dashes of a profile's line.
fn dashes(kind: Kind) -> &'static str {
    match kind {
        Kind::Process => "",
        Kind::Thread => " stroke-dasharray=\"9 4\"",
        Kind::Interpreter => " stroke-dasharray=\"2 4\"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::section::Better;
    use crate::compare::section::tests::{row, section};

    #[test]
    fn every_row_is_in_the_picture() {
        let rows = vec![
            row("p & q", Kind::Process, &[&[1.0, 2.0]]),
            row("t", Kind::Thread, &[&[3.0]]),
            row("i", Kind::Interpreter, &[&[4.0]]),
        ];
        let mut section = section(Better::Less, rows);
        for kind in [Picture::Bars, Picture::Lines] {
            section.picture = kind;
            let text = picture(&section);
            assert!(
                text.contains("p &amp; q") && !text.contains("p & q"),
                "{text}"
            );
            assert_eq!(text.matches("<svg").count(), text.matches("</svg>").count());
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
        section.rows.clear();
        assert_eq!(picture(&section), "");
    }
}
