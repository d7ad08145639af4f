//! Products of every shape and stride, bit for bit against the plain triple loop.

use cotangent_runtime::math;
use cotangent_runtime::matmul::{Float, Isa, MatmulDims, matmul_checked, matmul_with};

trait Number: Float + PartialEq + std::fmt::Debug {
    fn make(x: f64) -> Self;
    fn fused(a: Self, b: Self, c: Self) -> Self;
    fn bits(self) -> u64;
}

impl Number for f64 {
    fn make(x: f64) -> f64 {
        x
    }
    fn fused(a: f64, b: f64, c: f64) -> f64 {
        math::fma(a, b, c)
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

impl Number for f32 {
    fn make(x: f64) -> f32 {
        x as f32
    }
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        math::fma_f32(a, b, c)
    }
    fn bits(self) -> u64 {
        self.to_bits().into()
    }
}

/// A small generator, so that every run sees the same shapes.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % n
    }
    fn number(&mut self) -> f64 {
        (self.below(1 << 20) as f64 - (1 << 19) as f64) / 4099.0
    }
}

/// Steps for `sides` in a random order, random signs, with gaps; the room they take and where
/// the first element is in it.
fn layout(r: &mut Random, sides: &[usize], zeros: bool) -> (Vec<isize>, usize, usize) {
    let mut order: Vec<usize> = (0..sides.len()).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, r.below(i + 1));
    }
    let gap = if r.below(3) == 0 { 1 + r.below(2) } else { 1 };
    let (mut step, mut start, mut room) = (gap, 0, 1);
    let mut steps = vec![0isize; sides.len()];
    for i in order {
        if zeros && r.below(6) == 0 {
            continue;
        }
        let back = r.below(5) == 0;
        steps[i] = if back { -(step as isize) } else { step as isize };
        let reach = sides[i].saturating_sub(1) * step;
        start += if back { reach } else { 0 };
        room += reach;
        step = step * sides[i].max(1) + r.below(3) / 2;
    }
    (steps, start, room)
}

/// Where the element `i`, `j` of one product of a batch is.
fn at(start: usize, steps: &[isize], index: &[usize], i: usize, j: usize) -> usize {
    let batch: isize = steps[2..].iter().zip(index).map(|(s, &i)| s * i as isize).sum();
    (start as isize + batch + steps[0] * i as isize + steps[1] * j as isize) as usize
}

fn check<T: Number>(r: &mut Random, m: usize, n: usize, k: usize, batch: &[usize]) {
    let full = |side: [usize; 2]| [&side, batch].concat();
    let (a_steps, a_start, a_room) = layout(r, &full([m, k]), true);
    let (b_steps, b_start, b_room) = layout(r, &full([k, n]), true);
    let (c_steps, c_start, c_room) = layout(r, &full([m, n]), false);
    let a: Vec<T> = (0..a_room).map(|_| T::make(r.number())).collect();
    let b: Vec<T> = (0..b_room).map(|_| T::make(r.number())).collect();
    let blank = T::make(777.0);
    let mut d = MatmulDims { m, n, k, batch: batch.len(), ..MatmulDims::default() };
    [d.a_row, d.a_col, d.b_row, d.b_col, d.c_row, d.c_col] =
        [a_steps[0], a_steps[1], b_steps[0], b_steps[1], c_steps[0], c_steps[1]];
    for i in 0..batch.len() {
        d.batch_dims[i] = batch[i];
        (d.a_batch[i], d.b_batch[i], d.c_batch[i]) = (a_steps[i + 2], b_steps[i + 2], c_steps[i + 2]);
    }
    let mut want = vec![blank; c_room];
    let count: usize = batch.iter().product();
    for flat in 0..count {
        let mut rest = flat;
        let mut index = vec![0; batch.len()];
        for i in (0..batch.len()).rev() {
            (index[i], rest) = (rest % batch[i], rest / batch[i]);
        }
        let a_zero = at(a_start, &a_steps, &index, 0, 0);
        let b_zero = at(b_start, &b_steps, &index, 0, 0);
        for i in 0..m {
            for j in 0..n {
                let mut sum = T::make(0.0);
                for p in 0..k {
                    let x = a[at(a_zero, &a_steps, &[], i, p)];
                    sum = T::fused(x, b[at(b_zero, &b_steps, &[], p, j)], sum);
                }
                want[at(c_start, &c_steps, &index, i, j)] = sum;
            }
        }
    }
    for isa in Isa::ALL.into_iter().filter(|i| i.available()) {
        let mut c = vec![blank; c_room];
        // SAFETY: the layouts keep every element inside its room, and those of c apart.
        unsafe {
            let c = c.as_mut_ptr().wrapping_add(c_start);
            matmul_with(isa, &d, a.as_ptr().wrapping_add(a_start), b.as_ptr().wrapping_add(b_start), c);
        }
        let same = c.iter().zip(&want).all(|(x, y)| x.bits() == y.bits());
        assert!(same, "{isa:?} {d:?}");
    }
    let mut c = vec![blank; c_room];
    matmul_checked(&d, (&a, a_start), (&b, b_start), (&mut c, c_start)).unwrap();
    assert!(c == want);
}

#[test]
fn random_shapes_and_strides() {
    let mut r = Random(11);
    for round in 0..500 {
        let side = if round % 20 == 0 { 90 } else { 20 };
        let (m, n, k) = (r.below(side), r.below(side), r.below(side));
        let rank = r.below(8).saturating_sub(3);
        let batch: Vec<usize> = (0..rank).map(|_| r.below(4)).collect();
        check::<f64>(&mut r, m, n, k, &batch);
        check::<f32>(&mut r, m, n, k, &batch);
    }
}

#[test]
fn every_tail() {
    let mut r = Random(5);
    for m in 0..=17 {
        for n in (0..=18).chain([31, 32, 33, 47, 48, 49, 63, 65, 129]) {
            check::<f64>(&mut r, m, n, 3, &[]);
            check::<f32>(&mut r, m, n, 2, &[]);
            check::<f64>(&mut r, m, n, 1, &[]);
            check::<f32>(&mut r, m, n, 1, &[]);
        }
    }
}

#[test]
fn large_enough_for_every_block() {
    let mut r = Random(3);
    for (m, n, k) in [(9, 10, 1100), (17, 200, 300), (50, 24, 600), (3, 1200, 260), (50, 100, 260)] {
        check::<f64>(&mut r, m, n, k, &[]);
        check::<f32>(&mut r, m, n, k, &[]);
    }
}

#[test]
fn dense_layouts() {
    // The plain row-major and transposed operands, which take the paths without copies.
    let products = [(1, 784, 128), (20, 300, 30), (64, 64, 64), (100, 33, 70), (300, 1, 1), (5, 9, 1)];
    let outer = [(784, 1, 128), (9, 1, 200), (13, 1, 7), (40, 1, 65)];
    for (m, k, n) in products.into_iter().chain(outer) {
        for turn in 0..8 {
            let mut d = MatmulDims::row_major(m, k, n);
            if turn & 1 != 0 {
                (d.a_row, d.a_col) = (1, m as isize);
            }
            if turn & 2 != 0 {
                (d.b_row, d.b_col) = (1, k as isize);
            }
            if turn & 4 != 0 {
                (d.c_row, d.c_col) = (1, m as isize);
            }
            let mut r = Random(9);
            let a: Vec<f64> = (0..m * k).map(|_| r.number()).collect();
            let b: Vec<f64> = (0..k * n).map(|_| r.number()).collect();
            for isa in Isa::ALL.into_iter().filter(|i| i.available()) {
                let mut c = vec![0.0; m * n];
                // SAFETY: the slices have the extents of the dims.
                unsafe { matmul_with(isa, &d, a.as_ptr(), b.as_ptr(), c.as_mut_ptr()) };
                for i in 0..m {
                    for j in 0..n {
                        let get = |row: isize, col: isize, i: usize, j: usize| {
                            (row * i as isize + col * j as isize) as usize
                        };
                        let want = (0..k).fold(0.0, |sum, p| {
                            math::fma(a[get(d.a_row, d.a_col, i, p)], b[get(d.b_row, d.b_col, p, j)], sum)
                        });
                        assert_eq!(c[get(d.c_row, d.c_col, i, j)].to_bits(), f64::to_bits(want), "{isa:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn slices_too_short_are_refused() {
    let d = MatmulDims::row_major(3, 4, 5);
    let (a, b, mut c) = ([1.0; 12], [1.0; 20], [0.0; 15]);
    assert!(matmul_checked(&d, (&a, 0), (&b, 0), (&mut c, 0)).is_ok());
    assert!(matmul_checked(&d, (&a[1..], 0), (&b, 0), (&mut c, 0)).is_err());
    assert!(matmul_checked(&d, (&a, 0), (&b, 1), (&mut c, 0)).is_err());
    assert!(matmul_checked(&d, (&a, 0), (&b, 0), (&mut c[..14], 0)).is_err());
    let overlapping = MatmulDims { c_row: 4, ..d };
    assert!(matmul_checked(&overlapping, (&a, 0), (&b, 0), (&mut c, 0)).is_err());
    assert!(c == [4.0; 15]);
}
