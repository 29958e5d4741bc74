//! Spreads what would fall on the same moment. Knows no policy.

/// A number from 0 to 1 that one worker always gets, and its neighbours do not: `SplitMix64`, whose every output bit
/// depends on every input bit.
pub(super) fn fraction(worker: u64, seed: u64) -> f64 {
    let mut bits = seed.wrapping_add(worker.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    // The upper half is more than a jitter needs, and converts without loss.
    f64::from(u32::try_from(bits >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_born_together_get_numbers_all_over_the_range() {
        for seed in [0, 1, u64::MAX] {
            let mut tenths = [0_u32; 10];
            for worker in 1..=1000 {
                let fraction = fraction(worker, seed);
                assert!((0.0..=1.0).contains(&fraction));
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "from 0 to 10"
                )]
                let tenth = ((fraction * 10.0) as usize).min(9);
                tenths[tenth] += 1;
            }
            assert!(
                tenths.iter().all(|count| (60..=140).contains(count)),
                "{tenths:?}"
            );
        }
    }

    #[test]
    fn the_seed_tells_pools_apart() {
        assert!((fraction(1, 1) - fraction(1, 2)).abs() > f64::EPSILON);
    }
}
