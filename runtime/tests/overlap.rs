//! Sums of overlapping windows, against the loops written out.

use cotangent_runtime::overlap::*;

/// Windows of `k` entries over `n`, a leading axis of two, the source transposed.
fn windows(n: usize, k: usize, stride: usize, dilation: usize) -> Option<(OverlapDims, usize, usize)> {
    let places = (n.checked_sub((k - 1) * dilation + 1)?) / stride + 1;
    let mut d = OverlapDims::new(2 * n);
    // The source is (k, 2, places).
    d.push(2, places as isize, n as isize)?;
    d.push(k, 2 * places as isize, dilation as isize)?;
    d.push(places, 1, stride as isize)?;
    Some((d, places, k * 2 * places))
}

#[test]
fn windows_add_up_in_the_order_of_the_loops() {
    let mut tried = 0;
    for n in 1..12 {
        for k in 1..5 {
            for (stride, dilation) in [(1, 1), (1, 2), (2, 1), (3, 2), (2, 3)] {
                let Some((d, places, len)) = windows(n, k, stride, dilation) else { continue };
                // Of numbers this far apart another order has another sum.
                let src: Vec<f64> = (0..len).map(|i| [1e16, 1.0, -1e16, 3.0, -0.0][i * 7 % 5]).collect();
                let mut want = vec![0.0; 2 * n];
                for o in 0..2 {
                    for q in 0..k {
                        for p in 0..places {
                            want[o * n + p * stride + q * dilation] += src[(q * 2 + o) * places + p];
                        }
                    }
                }
                let mut got = vec![f64::NAN; 2 * n];
                // SAFETY: the strides stay within the extents that both were made with.
                unsafe { overlap_add_f64(&d, src.as_ptr(), got.as_mut_ptr()) };
                let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<u64>>();
                assert_eq!(bits(&got), bits(&want), "{n} {k} {stride} {dilation}");
                let narrow: Vec<f32> = src.iter().map(|&x| x as f32).collect();
                let mut sum = vec![0f32; 2 * n];
                // SAFETY: as above.
                unsafe { overlap_add_f32(&d, narrow.as_ptr(), sum.as_mut_ptr()) };
                assert_eq!(sum.iter().filter(|x| x.is_finite()).count(), 2 * n);
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "only {tried}");
}

#[test]
fn nothing_is_added_where_a_loop_is_empty() {
    let mut d = OverlapDims::new(3);
    d.push(0, 1, 1).unwrap();
    d.push(2, 1, 1).unwrap();
    let mut dst = [f64::NAN; 3];
    // SAFETY: no element of the source is read.
    unsafe { overlap_add_f64(&d, [].as_ptr(), dst.as_mut_ptr()) };
    assert_eq!(dst, [0.0; 3]);
    assert!((0..LOOPS).all(|i| i < 2 || d.push(1, 0, 0).is_some()) && d.push(1, 0, 0).is_none());
}
