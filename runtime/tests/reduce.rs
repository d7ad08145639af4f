//! The order of sums, against its definition written out.

use cotangent_runtime::math;
use cotangent_runtime::reduce::*;

/// Lanes as a list of options, joined as the definition says.
fn join(mut lanes: Vec<Option<f64>>) -> f64 {
    while lanes.len() > 1 {
        let half = lanes.len() / 2;
        lanes = (0..half)
            .map(|i| match (lanes[i], lanes[i + half]) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            })
            .collect();
    }
    lanes[0].unwrap_or(0.0)
}

fn values(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 20) as f64 / 1e9 - 8000.0
        })
        .collect()
}

#[test]
fn every_length_and_form() {
    for n in (0..100).chain([500, 1023]) {
        let (a, b) = (values(n, 1), values(n, 2));
        let mut sums = vec![None; 16];
        let mut dots = vec![None; 16];
        for r in 0..n {
            let lane: &mut Option<f64> = &mut sums[r % 16];
            *lane = Some(lane.map_or(a[r], |s| s + a[r]));
            let lane: &mut Option<f64> = &mut dots[r % 16];
            *lane = Some(lane.map_or(a[r] * b[r], |s| math::fma(a[r], b[r], s)));
        }
        let (sum, dot) = (join(sums).to_bits(), join(dots).to_bits());
        assert_eq!(lane_sum(a.iter().copied()).to_bits(), sum);
        assert_eq!(sum_f64(&a).to_bits(), sum);
        assert_eq!(lane_dot(a.iter().copied(), b.iter().copied()).to_bits(), dot);
        assert_eq!(dot_f64(&a, &b).to_bits(), dot);
        let spread: Vec<f64> = a.iter().flat_map(|&x| [x, f64::NAN, f64::NAN]).collect();
        assert_eq!(sum_strided_f64(&spread, 0, 3, n).to_bits(), sum);
        assert_eq!(dot_strided_f64((&spread, 0, 3), (&b, 0, 1), n).to_bits(), dot);

        let (a, b): (Vec<f32>, Vec<f32>) =
            (a.iter().map(|&x| x as f32).collect(), b.iter().map(|&x| x as f32).collect());
        assert_eq!(lane_sum(a.iter().copied()).to_bits(), sum_f32(&a).to_bits());
        let dot = lane_dot(a.iter().copied(), b.iter().copied());
        assert_eq!(dot.to_bits(), dot_f32(&a, &b).to_bits());
        assert_eq!(dot_strided_f32((&a, 0, 1), (&b, 0, 1), n).to_bits(), dot.to_bits());
    }
}

#[test]
fn signs_of_zero() {
    assert_eq!(sum_f64(&[]).to_bits(), 0);
    assert_eq!(sum_f64(&[-0.0]).to_bits(), (-0.0f64).to_bits());
    assert_eq!(sum_f64(&[-0.0; 40]).to_bits(), (-0.0f64).to_bits());
    assert_eq!(dot_f64(&[-0.0; 20], &[1.0; 20]).to_bits(), (-0.0f64).to_bits());
}

#[test]
fn strides_past_the_end_stop() {
    assert_eq!(sum_strided_f64(&[1.0, 2.0, 3.0], 1, 1, usize::MAX), 5.0);
    assert_eq!(sum_strided_f64(&[1.0, 2.0, 3.0], 9, 1, 3), 0.0);
    assert_eq!(sum_strided_f64(&[1.0, 2.0, 3.0], 0, usize::MAX, 3), 1.0);
}
