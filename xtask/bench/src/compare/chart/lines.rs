//! Lines over numbers of callers: one for each contestant, its spread as a whisker.

use std::fmt::Write as _;

use super::scale::Scale;
use super::{WIDTH, dashes, limit, mark, open};
use crate::compare::html::escape;
use crate::compare::section::{Row, Section, short};

const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 46.0;
/// Lines that lie on each other are moved apart sideways by this.
const APART: f64 = 9.0;

pub(super) fn draw(section: &Section) -> String {
    let y = Scale::new(limit(section), 5.0, HEIGHT - BOTTOM, TOP);
    let mut text = legend(section);
    text.push_str(&open(&section.title, HEIGHT));
    axes(&mut text, section, &y);
    for (index, row) in section.rows.iter().enumerate() {
        line(&mut text, section, &y, index, row);
    }
    text.push_str("</svg></div>");
    text
}

/// Evenly spaced: each number of callers is four times the one before, so this is a logarithmic axis.
fn x(point: usize, points: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let share = (point as f64 + 0.5) / points as f64;
    LEFT + (WIDTH - LEFT - RIGHT) * share
}

fn axes(text: &mut String, section: &Section, y: &Scale) {
    let _ = write!(
        text,
        "<text x=\"4\" y=\"16\" class=\"unit\">{}</text>",
        section.unit
    );
    for tick in y.ticks() {
        let place = y.place(tick);
        let _ = write!(
            text,
            "<path d=\"M{LEFT} {place:.1}H{:.0}\" class=\"grid\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" class=\"tick\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            place + 4.5,
            y.label(tick)
        );
    }
    for (point, name) in section.points.iter().enumerate() {
        let _ = write!(
            text,
            "<text x=\"{:.1}\" y=\"{:.0}\" class=\"tick\" text-anchor=\"middle\">{}</text>",
            x(point, section.points.len()),
            HEIGHT - BOTTOM + 22.0,
            escape(name)
        );
    }
}

fn line(text: &mut String, section: &Section, y: &Scale, index: usize, row: &Row) {
    let points = section.points.len();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let aside = (index as f64 - (section.rows.len() as f64 - 1.0) / 2.0) * APART;
    let places: Vec<_> = (0..points)
        .map(|point| (x(point, points) + aside, row.range(point), point))
        .filter(|(_, (_, middle, _), _)| middle.is_finite())
        .collect();
    let path: Vec<_> = places
        .iter()
        .map(|(x, (_, middle, _), _)| format!("{x:.1} {:.1}", y.place(*middle)))
        .collect();
    let colour = row.who.interpreter;
    let _ = write!(
        text,
        "<g><path d=\"M{}\" class=\"line i{colour}\"{}/>",
        path.join("L"),
        dashes(row.who.kind)
    );
    for (x, (low, middle, high), point) in places {
        let _ = write!(
            text,
            "<g><title>{}, {}: {} {} ({} to {})</title><path d=\"M{x:.1} {:.1}V{:.1}\" class=\"whisker i{colour}\"/>",
            escape(&row.who.name),
            escape(&section.points[point]),
            short(middle),
            section.unit,
            short(low),
            short(high),
            y.place(low),
            y.place(high.min(y.top()))
        );
        if high > y.top() {
            let _ = write!(
                text,
                "<path d=\"M{:.1} {:.1}l4 -7l4 7z\" class=\"mark i{colour}\"/>",
                x - 4.0,
                y.place(y.top())
            );
        }
        mark(text, &row.who, x, y.place(middle));
        text.push_str("</g>");
    }
    text.push_str("</g>");
}

/// One entry for each line, drawn as the line is.
fn legend(section: &Section) -> String {
    let mut text = "<p class=\"legend\">".to_owned();
    for row in &section.rows {
        let _ = write!(
            text,
            "<span><svg width=\"44\" height=\"14\" aria-hidden=\"true\"><path d=\"M1 7H43\" class=\"line i{}\"{}/>",
            row.who.interpreter,
            dashes(row.who.kind)
        );
        mark(&mut text, &row.who, 22.0, 7.0);
        let _ = write!(text, "</svg>{}</span> ", escape(&row.who.name));
    }
    text.push_str("</p>");
    text
}
