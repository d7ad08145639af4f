//! Linear algebra, recurrences and sorting against definitions that are slow and
//! plain, on matrices of small integers: singular ones, too.

use cotangent_runtime::array::{ArrayDims, ArrayFn, Float, LOWER, TRANSPOSE, UNIT};
use cotangent_runtime::{linalg, scan};

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn integers(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.below(7) as f64 - 3.0).collect()
    }
}

fn run(f: ArrayFn, d: ArrayDims, a: &[f64], b: &[f64]) -> Vec<f64> {
    let lens = f.lens(&d).unwrap();
    let (mut scratch, mut out) = (vec![f64::NAN; lens.scratch], vec![f64::NAN; lens.out]);
    f.run::<Float<f64>>(&d, [a, b], &mut scratch, &mut out).unwrap();
    out
}

fn dims(outer: usize, n: usize, inner: usize) -> ArrayDims {
    ArrayDims { outer, n, inner, flags: 0 }
}

/// By the first row; exact for small integers.
fn laplace(a: &[Vec<f64>]) -> f64 {
    let minor =
        |j: usize| -> Vec<Vec<f64>> { a[1..].iter().map(|r| [&r[..j], &r[j + 1..]].concat()).collect() };
    if a.is_empty() {
        return 1.0;
    }
    (0..a.len()).map(|j| if j % 2 == 0 { 1.0 } else { -1.0 } * a[0][j] * laplace(&minor(j))).sum()
}

fn rows(a: &[f64], n: usize) -> Vec<Vec<f64>> {
    a.chunks(n).map(<[f64]>::to_vec).collect()
}

/// The derivative of the determinant along directions: each takes a row of its own.
fn derivative(a: &[Vec<f64>], directions: &[Vec<Vec<f64>>], taken: &mut Vec<usize>) -> f64 {
    let Some((first, others)) = directions.split_first() else { return laplace(a) };
    let mut sum = 0.0;
    for r in 0..a.len() {
        if !taken.contains(&r) {
            let mut replaced = a.to_vec();
            replaced[r].clone_from(&first[r]);
            taken.push(r);
            sum += derivative(&replaced, others, taken);
            taken.pop();
        }
    }
    sum
}

fn near(got: f64, want: f64, scale: f64) {
    assert!((got - want).abs() <= 1e-12 * scale.max(1.0), "got {got:e}, expected {want:e}");
}

/// Integers, and now and then a row that is a multiple of another, twice.
fn matrix(rng: &mut Rng, n: usize) -> Vec<f64> {
    let mut a = rng.integers(n * n);
    for _ in 0..rng.below(3) {
        let (i, j) = (rng.below(n as u64) as usize, rng.below(n as u64) as usize);
        let factor = rng.below(3) as f64 - 1.0;
        for c in 0..n {
            a[i * n + c] = factor * a[j * n + c];
        }
    }
    a
}

#[test]
fn determinants_and_their_derivatives() {
    let (mut rng, mut singular) = (Rng(1), 0);
    for round in 0..400 {
        let n = 1 + round % 5;
        let a = matrix(&mut rng, n);
        let exact = laplace(&rows(&a, n));
        singular += usize::from(exact == 0.0);
        near(run(ArrayFn::Det, dims(1, n, 1), &a, &[])[0], exact, 1e3);
        let log = run(ArrayFn::LogAbsDet, dims(1, n, 1), &a, &[])[0];
        if exact == 0.0 {
            assert!(log < -25.0)
        } else {
            near(log, exact.abs().ln(), 1e2)
        }
        for k in 0..3 {
            let e = rng.integers(k * n * n);
            let got = run(ArrayFn::Cofactor, dims(1, n, k), &a, &e);
            let mut directions: Vec<_> = e.chunks(n * n).map(|e| rows(e, n)).collect();
            directions.push(Vec::new());
            for (at, &got) in got.iter().enumerate() {
                let unit: Vec<f64> = (0..n * n).map(|i| f64::from(u8::from(i == at))).collect();
                directions[k] = rows(&unit, n);
                near(got, derivative(&rows(&a, n), &directions, &mut Vec::new()), 1e4);
            }
        }
    }
    assert!(singular > 100, "{singular}");
}

#[test]
fn systems() {
    let mut rng = Rng(2);
    for round in 0..200 {
        let (n, columns) = (1 + round % 7, round % 3);
        let mut a = rng.integers(n * n);
        (0..n).for_each(|i| a[i * n + i] += 20.0);
        let x = rng.integers(n * columns);
        let times = |entry: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            let at = |i: usize, c: usize| (0..n).map(|k| entry(i, k) * x[k * columns + c]).sum();
            (0..n).flat_map(|i| (0..columns).map(move |c| (i, c))).map(|(i, c)| at(i, c)).collect()
        };
        let solved = run(ArrayFn::Solve, dims(1, n, columns), &a, &times(&|i, k| a[i * n + k]));
        solved.iter().zip(&x).for_each(|(&got, &want)| near(got, want, 10.0));
        for flags in 0..8 {
            let (lower, transpose, unit) = (flags & LOWER != 0, flags & TRANSPOSE != 0, flags & UNIT != 0);
            let mut t = a.clone();
            for i in 0..n {
                for k in 0..n {
                    let outside = if lower { k > i } else { k < i };
                    if outside || (unit && i == k) {
                        t[i * n + k] = f64::NAN;
                    } else if i != k {
                        t[i * n + k] /= 16.0;
                    }
                }
            }
            let entry = |i: usize, k: usize| {
                let (i, k) = if transpose { (k, i) } else { (i, k) };
                match if lower { k > i } else { k < i } {
                    true => 0.0,
                    false if unit && i == k => 1.0,
                    false => t[i * n + k],
                }
            };
            let d = ArrayDims { flags, ..dims(1, n, columns) };
            let solved = run(ArrayFn::TriangularSolve, d, &t, &times(&entry));
            solved.iter().zip(&x).for_each(|(&got, &want)| near(got, want, 1e2));
        }
    }
}

#[test]
fn a_singular_system_has_no_finite_solution() {
    let x = run(ArrayFn::Solve, dims(1, 2, 1), &[1.0, 2.0, 2.0, 4.0], &[1.0, 1.0]);
    assert!(x.iter().all(|v| !v.is_finite()), "{x:?}");
}

#[test]
fn factors() {
    let mut rng = Rng(3);
    for round in 0..100 {
        let n = 1 + round % 6;
        let mut a = rng.integers(2 * n * n);
        (0..n).for_each(|i| a[i * n + i] += 30.0);
        // The second of the two is not positive definite.
        a[n * n] = -1.0;
        let l = run(ArrayFn::Cholesky, dims(2, n, 1), &a, &[]);
        for i in 0..n {
            for j in 0..n {
                let product: f64 = (0..n).map(|k| l[i * n + k] * l[j * n + k]).sum();
                near(product, (a[i * n + j] + a[j * n + i]) / 2.0, 1e2);
                assert!(j <= i || l[i * n + j] == 0.0);
                assert_eq!(l[(n + i) * n + j].is_nan(), j <= i);
            }
        }
    }
}

#[test]
fn recurrences_run_in_index_order() {
    let (a, b) = ([f64::NAN, 2.0, 0.5, 3.0, f64::NAN, 1.0], [1.0, 1.0, -4.0, 2.0, 0.0, 0.5]);
    // Along rows of two, along columns of three, and of no element.
    let two = run(ArrayFn::Recurrence, dims(3, 2, 1), &[0.0, 2.0, 0.0, 3.0, 0.0, 1.0], &b);
    assert_eq!(two, [1.0, 3.0, -4.0, -10.0, 0.0, 0.5]);
    let three = run(ArrayFn::Recurrence, dims(1, 3, 2), &a, &b);
    assert_eq!(three[..4], [1.0, 1.0, -3.5, 5.0]);
    assert!(three[4].is_nan() && three[5] == 5.5);
    assert_eq!(run(ArrayFn::Recurrence, dims(2, 0, 5), &[], &[]), []);
}

/// The recurrence whose factors are 1, to the bit, at zeros of both signs and where sums round.
#[test]
fn cumulative_sums_are_recurrences() {
    let x = [-0.0, -0.0, 0.1, 0.2, 1e17, -1e17, 0.3, f64::INFINITY, 1.0, -0.0, 5e-324, 3.0];
    for (outer, n, inner) in [(1, 12, 1), (3, 4, 1), (1, 4, 3), (2, 3, 2), (12, 1, 1), (1, 1, 12), (2, 0, 5)]
    {
        let d = dims(outer, n, inner);
        let x = &x[..outer * n * inner];
        let sum = run(ArrayFn::CumulativeSum, d, x, &[]);
        let same = run(ArrayFn::Recurrence, d, &vec![1.0; x.len()], x);
        let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<u64>>();
        assert_eq!(bits(&sum), bits(&same), "{outer} x {n} x {inner}");
    }
}

#[test]
fn sorting_is_stable_and_puts_nan_last() {
    let x = [f64::NAN, 1.0, -0.0, f64::INFINITY, 0.0, f64::NAN, -1.0, 1.0];
    let (mut scratch, mut order) = ([0; 8], [0; 8]);
    scan::argsort(&dims(1, 8, 1), &x, &mut scratch, &mut order, f64::partial_cmp);
    assert_eq!(order, [6, 2, 4, 1, 7, 3, 0, 5]);
    let (mut scratch, mut order) = ([0; 2], [0; 8]);
    scan::argsort(&dims(1, 2, 4), &x, &mut scratch, &mut order, f64::partial_cmp);
    assert_eq!(order, [1, 0, 1, 1, 0, 1, 0, 0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let d = dims(1, 2, 1);
    let short = ArrayFn::Det.run::<Float<f64>>(&d, [&[1.0; 3], &[]], &mut [0.0; 4], &mut [0.0]);
    assert!(short.is_err());
    assert_eq!(ArrayFn::Solve.lens(&dims(1 << 40, 1 << 40, 1)), None);
    let many = dims(1, 1, linalg::MAX_DIRECTIONS + 1);
    let lens = ArrayFn::Cofactor.lens(&many).unwrap();
    let e = vec![0.0; lens.operands[1]];
    let mut scratch = vec![0.0; lens.scratch];
    assert!(ArrayFn::Cofactor.run::<Float<f64>>(&many, [&[1.0], &e], &mut scratch, &mut [0.0]).is_err());
}
