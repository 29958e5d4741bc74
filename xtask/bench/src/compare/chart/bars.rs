//! Horizontal bars: a group for each contestant, a bar for each point, its spread as a whisker, its figure beside it.

use std::fmt::Write as _;

use super::scale::Scale;
use super::{WIDTH, limit, open};
use crate::compare::html::escape;
use crate::compare::section::{Row, Section, short};

const TOP: f64 = 6.0;
/// Room for the names of the axis below.
const BOTTOM: f64 = 40.0;
/// Room for a figure at the end of the longest bar.
const RIGHT: f64 = 84.0;
const BAR: f64 = 15.0;
const GAP: f64 = 3.0;
const GROUP_GAP: f64 = 13.0;
/// About the width of a letter of a name.
const LETTER: f64 = 7.6;

pub(super) fn draw(section: &Section) -> String {
    let points = section.points.len();
    let count = |number: usize| {
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let count = number as f64;
        count
    };
    let group = count(points) * (BAR + GAP) - GAP + GROUP_GAP;
    let height = TOP + group * count(section.rows.len()) + BOTTOM;
    let longest = section.rows.iter().map(|row| row.who.name.chars().count());
    let left = count(longest.max().unwrap_or(0)) * LETTER + 14.0;
    let x = Scale::new(limit(section), 6.0, left, WIDTH - RIGHT);

    let mut text = legend(section);
    text.push_str(&open(&section.title, height));
    axis(&mut text, section, &x, height);
    for (index, row) in section.rows.iter().enumerate() {
        let top = TOP + GROUP_GAP / 2.0 + group * count(index);
        let _ = write!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" class=\"name\" text-anchor=\"end\">{}</text>",
            left - 10.0,
            top + (group - GROUP_GAP) / 2.0 + 5.0,
            escape(&row.who.name)
        );
        for point in 0..points {
            let y = top + count(point) * (BAR + GAP);
            bar(&mut text, section, &x, row, point, y);
        }
    }
    text.push_str("</svg></div>");
    text
}

fn axis(text: &mut String, section: &Section, x: &Scale, height: f64) {
    let ticks = x.ticks();
    for tick in &ticks {
        let place = x.place(*tick);
        let _ = write!(
            text,
            "<path d=\"M{place:.1} {TOP}V{:.1}\" class=\"grid\"/>\
             <text x=\"{place:.1}\" y=\"{:.1}\" class=\"tick\" text-anchor=\"middle\">{}</text>",
            height - BOTTOM,
            height - BOTTOM + 18.0,
            x.label(*tick)
        );
    }
    let end = ticks.last().map_or(0.0, |tick| x.place(*tick));
    let _ = write!(
        text,
        "<text x=\"{:.1}\" y=\"{:.1}\" class=\"unit\" text-anchor=\"end\">{}</text>",
        end + 70.0,
        height - BOTTOM + 18.0,
        section.unit
    );
}

fn bar(text: &mut String, section: &Section, x: &Scale, row: &Row, point: usize, y: f64) {
    let (low, middle, high) = row.range(point);
    if !middle.is_finite() {
        return;
    }
    let colour = row.who.interpreter;
    let (from, to) = (x.place(0.0), x.place(middle));
    let _ = write!(
        text,
        "<g><title>{}, {}: {} {} ({} to {})</title>",
        escape(&row.who.name),
        escape(&section.points[point]),
        short(middle),
        section.unit,
        short(low),
        short(high)
    );
    let width = (to - from).max(1.0);
    let _ = if point == 0 {
        write!(
            text,
            "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" class=\"fill i{colour}\"/>"
        )
    } else {
        write!(
            text,
            "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" class=\"edge i{colour}\" \
             fill=\"url(#hatch{colour})\"/>"
        )
    };
    let middle_y = y + BAR / 2.0;
    if high > low {
        let (low, end) = (x.place(low), x.place(high.min(x.top())));
        // An arrow where the whisker goes on beyond the picture.
        let tip = if high > x.top() {
            format!("M{:.1} {:.1}l6 4l-6 4", end - 6.0, middle_y - 4.0)
        } else {
            format!("M{end:.1} {:.1}v6", middle_y - 3.0)
        };
        let _ = write!(
            text,
            "<path d=\"M{low:.1} {middle_y:.1}H{end:.1}M{low:.1} {:.1}v6{tip}\" class=\"spread\"/>",
            middle_y - 3.0
        );
    }
    let _ = write!(
        text,
        "<text x=\"{:.1}\" y=\"{:.1}\" class=\"figure\">{}</text></g>",
        beside(to, x.place(high.max(middle).min(x.top()))) + 7.0,
        middle_y + 4.5,
        short(middle)
    );
}

/// Where a figure goes: behind the whisker; but not far from its bar, where it would seem to name the whisker's end.
fn beside(bar: f64, whisker: f64) -> f64 {
    if whisker - bar > 60.0 { bar } else { whisker }
}

/// What solid and hatched bars are; nothing where there is one kind only.
fn legend(section: &Section) -> String {
    let [first, second] = &section.points[..] else {
        return String::new();
    };
    let swatch = |fill: &str, name: &str| {
        format!(
            "<span><svg width=\"30\" height=\"14\" aria-hidden=\"true\"><rect x=\"0.5\" y=\"0.5\" width=\"29\" height=\"13\" \
             {fill}/></svg>{}</span> ",
            escape(name)
        )
    };
    format!(
        "<p class=\"legend\">{}{}</p>",
        swatch("class=\"fill i0\"", first),
        swatch("class=\"edge i0\" fill=\"url(#hatch0)\"", second)
    )
}
