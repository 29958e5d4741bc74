//! From figures to places, and the round figures an axis names; pure.

/// A linear scale from zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The largest figure, a round one.
    top: f64,
    step: f64,
    /// Where zero and the largest figure are.
    from: f64,
    to: f64,
}

impl Scale {
    /// Wide enough for `largest`, in about `ticks` steps.
    pub(super) fn new(largest: f64, ticks: f64, from: f64, to: f64) -> Self {
        let largest = if largest.is_finite() && largest > 0.0 {
            largest
        } else {
            1.0
        };
        let step = round_step(largest / ticks);
        Self {
            top: (largest / step).ceil() * step,
            step,
            from,
            to,
        }
    }

    pub(super) fn place(&self, figure: f64) -> f64 {
        self.from + (self.to - self.from) * figure / self.top
    }

    /// The largest figure there is a place for.
    pub(super) fn top(&self) -> f64 {
        self.top
    }

    /// The figures to name, zero included.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let mut ticks = vec![0.0];
        let mut index = 1.0;
        while index * self.step <= self.top * 1.000_001 {
            ticks.push(index * self.step);
            index += 1.0;
        }
        ticks
    }

    /// A tick as text, with as many decimals as the steps need, and thousands as `k`.
    pub(super) fn label(&self, tick: f64) -> String {
        if self.top >= 10_000.0 {
            let decimals = decimals(self.step / 1000.0);
            return if tick == 0.0 {
                "0".to_owned()
            } else {
                format!("{:.decimals$}k", tick / 1000.0)
            };
        }
        let decimals = decimals(self.step);
        format!("{tick:.decimals$}")
    }
}

/// The next of 1, 2, 5, 10 and so on.
fn round_step(least: f64) -> f64 {
    let magnitude = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * magnitude >= least * 0.999_999);
    factor.unwrap_or(10.0) * magnitude
}

fn decimals(step: f64) -> usize {
    match step {
        large if large >= 0.999 => 0,
        tenths if tenths >= 0.0999 => 1,
        hundredths if hundredths >= 0.00999 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(largest: f64) -> Vec<String> {
        let scale = Scale::new(largest, 5.0, 0.0, 100.0);
        scale
            .ticks()
            .into_iter()
            .map(|tick| scale.label(tick))
            .collect()
    }

    #[test]
    fn ticks_are_round_and_reach_the_largest_figure() {
        assert_eq!(labels(9.3), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(100.0), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(0.117), ["0.00", "0.05", "0.10", "0.15"]);
        assert_eq!(labels(61_234.0), ["0", "20k", "40k", "60k", "80k"]);
        assert_eq!(labels(11_000.0), ["0", "5k", "10k", "15k"]);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "ends of the scale")]
    fn figures_have_their_places() {
        let scale = Scale::new(8.0, 4.0, 300.0, 20.0);
        assert_eq!(scale.place(0.0), 300.0);
        assert_eq!(scale.place(8.0), 20.0);
        assert_eq!(scale.place(4.0), 160.0);
    }

    #[test]
    fn nothing_measured_still_has_an_axis() {
        for largest in [0.0, f64::NAN, f64::INFINITY] {
            assert_eq!(labels(largest).last().map(String::as_str), Some("1.0"));
        }
    }
}
