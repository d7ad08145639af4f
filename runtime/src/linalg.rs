//! Small dense linear algebra over any arithmetic: row-major matrices, `d.outer` of them side by
//! side, sums as fma chains with `k` ascending.

use crate::array::{Arithmetic, ArrayDims, LOWER, Refusal, TRANSPOSE, UNIT};
use std::cmp::Ordering;

/// Row `i` for writing and row `k`, of rows of length `n`.
fn two_rows<T>(m: &mut [T], n: usize, i: usize, k: usize) -> (&mut [T], &[T]) {
    if i > k {
        let (head, tail) = m.split_at_mut(i * n);
        (&mut tail[..n], &head[k * n..][..n])
    } else {
        let (head, tail) = m.split_at_mut(k * n);
        (&mut head[i * n..][..n], &tail[..n])
    }
}

/// `row_i -= factor * row_k`, from column `from` on.
fn subtract<A: Arithmetic>(
    m: &mut [A::Number],
    n: usize,
    [i, k]: [usize; 2],
    factor: &A::Number,
    from: usize,
) {
    if n == 0 {
        return;
    }
    let minus = A::neg(factor);
    let (to, row) = two_rows(m, n, i, k);
    for (x, y) in to[from..].iter_mut().zip(&row[from..]) {
        *x = A::fma(&minus, y, x);
    }
}

fn is_zero<A: Arithmetic>(x: &A::Number) -> bool {
    A::compare(x, &A::zero()) == Some(Ordering::Equal)
}

fn magnitude<A: Arithmetic>(x: &A::Number) -> A::Number {
    if A::compare(x, &A::zero()) == Some(Ordering::Less) { A::neg(x) } else { x.clone() }
}

/// Whether `|a| > |b|`; NaN is larger than any number.
fn larger<A: Arithmetic>(a: &A::Number, b: &A::Number) -> bool {
    let is_nan = |x: &A::Number| A::compare(x, x).is_none();
    match A::compare(&magnitude::<A>(a), &magnitude::<A>(b)) {
        Some(order) => order == Ordering::Greater,
        None => is_nan(a) && !is_nan(b),
    }
}

fn swap_rows<T>(m: &mut [T], n: usize, i: usize, j: usize) {
    if i != j && n > 0 {
        let (low, high) = (i.min(j), i.max(j));
        let (head, tail) = m.split_at_mut(high * n);
        head[low * n..][..n].swap_with_slice(&mut tail[..n]);
    }
}

/// Substitution: `x` becomes the solution of `T x = x` for a triangular `T` given by its entries.
fn substitute<'a, A: Arithmetic>(
    n: usize,
    columns: usize,
    lower: bool,
    entry: impl Fn(usize, usize) -> &'a A::Number,
    unit: bool,
    x: &mut [A::Number],
) -> Result<(), Refusal>
where
    A::Number: 'a,
{
    for step in 0..n {
        let i = if lower { step } else { n - 1 - step };
        for k in if lower { 0..i } else { i + 1..n } {
            subtract::<A>(x, columns, [i, k], entry(i, k), 0);
        }
        if !unit {
            for v in &mut x[i * columns..][..columns] {
                *v = A::div(v, entry(i, i))?;
            }
        }
    }
    Ok(())
}

/// `op(T) x = b` for the triangle of `a` that the flags name; the rest of `a` is not read.
pub fn triangular_solve<A: Arithmetic>(
    d: &ArrayDims,
    a: &[A::Number],
    b: &[A::Number],
    x: &mut [A::Number],
) -> Result<(), Refusal> {
    let (n, columns) = (d.n, d.inner);
    let is = |flag: u32| d.flags & flag != 0;
    let (transpose, unit) = (is(TRANSPOSE), is(UNIT));
    for m in 0..d.outer {
        let a = &a[m * n * n..][..n * n];
        let x = &mut x[m * n * columns..][..n * columns];
        x.clone_from_slice(&b[m * n * columns..][..n * columns]);
        let entry = |i: usize, k: usize| if transpose { &a[k * n + i] } else { &a[i * n + k] };
        substitute::<A>(n, columns, is(LOWER) != transpose, entry, unit, x)?;
    }
    Ok(())
}

/// Gaussian elimination with partial pivoting of `m`, each step also on the rows of `right`.
/// Of equal candidates the first is the pivot. Whether the number of exchanges is odd.
fn eliminate<A: Arithmetic>(
    m: &mut [A::Number],
    n: usize,
    right: &mut [A::Number],
    columns: usize,
) -> Result<bool, Refusal> {
    let mut odd = false;
    for k in 0..n {
        let pivot = (k + 1..n).fold(k, |best, i| match larger::<A>(&m[i * n + k], &m[best * n + k]) {
            true => i,
            false => best,
        });
        odd ^= pivot != k;
        swap_rows(m, n, k, pivot);
        swap_rows(right, columns, k, pivot);
        // A column of zeros is eliminated.
        if is_zero::<A>(&m[k * n + k]) {
            continue;
        }
        for i in k + 1..n {
            let factor = A::div(&m[i * n + k], &m[k * n + k])?;
            subtract::<A>(m, n, [i, k], &factor, k + 1);
            subtract::<A>(right, columns, [i, k], &factor, 0);
        }
    }
    Ok(odd)
}

/// `a x = b` by elimination with partial pivoting. Where `a` is singular a division by zero gives
/// infinities or NaN.
pub fn solve<A: Arithmetic>(
    d: &ArrayDims,
    a: &[A::Number],
    b: &[A::Number],
    scratch: &mut [A::Number],
    x: &mut [A::Number],
) -> Result<(), Refusal> {
    let (n, columns) = (d.n, d.inner);
    let lu = &mut scratch[..n * n];
    for m in 0..d.outer {
        lu.clone_from_slice(&a[m * n * n..][..n * n]);
        let x = &mut x[m * n * columns..][..n * columns];
        x.clone_from_slice(&b[m * n * columns..][..n * columns]);
        eliminate::<A>(lu, n, x, columns)?;
        substitute::<A>(n, columns, false, |i, k| &lu[i * n + k], false, x)?;
    }
    Ok(())
}

/// The lower factor of `(a + a^T) / 2 = L L^T`; NaN on and below the diagonal where that is not
/// positive definite.
pub fn cholesky<A: Arithmetic>(d: &ArrayDims, a: &[A::Number], out: &mut [A::Number]) -> Result<(), Refusal> {
    let n = d.n;
    let half = A::div(&A::one(), &A::add(&A::one(), &A::one()))?;
    for m in 0..d.outer {
        let a = &a[m * n * n..][..n * n];
        let l = &mut out[m * n * n..][..n * n];
        l.fill(A::zero());
        'factor: for j in 0..n {
            for i in j..n {
                let mut sum = A::mul(&half, &A::add(&a[i * n + j], &a[j * n + i]));
                for k in 0..j {
                    sum = A::fma(&A::neg(&l[i * n + k]), &l[j * n + k], &sum);
                }
                if i > j {
                    l[i * n + j] = A::div(&sum, &l[j * n + j])?;
                } else if A::compare(&sum, &A::zero()) == Some(Ordering::Greater) {
                    l[j * n + j] = A::sqrt(&sum)?;
                } else {
                    let none = A::sqrt(&A::neg(&A::one()))?;
                    for row in 0..n {
                        l[row * n..][..row + 1].fill(none.clone());
                    }
                    break 'factor;
                }
            }
        }
    }
    Ok(())
}

/// A number per matrix from the diagonal after [`solve`]'s elimination, and whether the number of
/// exchanges was odd.
fn of_pivots<A: Arithmetic>(
    d: &ArrayDims,
    a: &[A::Number],
    lu: &mut [A::Number],
    out: &mut [A::Number],
    number: impl Fn(&mut dyn Iterator<Item = &A::Number>, bool) -> Result<A::Number, Refusal>,
) -> Result<(), Refusal> {
    let (n, square) = (d.n, d.n * d.n);
    for (m, out) in out[..d.outer].iter_mut().enumerate() {
        lu.clone_from_slice(&a[m * square..][..square]);
        let odd = eliminate::<A>(lu, n, &mut [], 0)?;
        *out = number(&mut (0..n).map(|i| &lu[i * n + i]), odd)?;
    }
    Ok(())
}

/// The determinant: the product of the pivots in their order.
pub fn det<A: Arithmetic>(
    d: &ArrayDims,
    a: &[A::Number],
    scratch: &mut [A::Number],
    out: &mut [A::Number],
) -> Result<(), Refusal> {
    of_pivots::<A>(d, a, scratch, out, |pivots, odd| {
        let product = pivots.fold(A::one(), |p, pivot| A::mul(&p, pivot));
        Ok(if odd { A::neg(&product) } else { product })
    })
}

/// The logarithm of the absolute value of the determinant, -inf where that is 0.
pub fn logabsdet<A: Arithmetic>(
    d: &ArrayDims,
    a: &[A::Number],
    scratch: &mut [A::Number],
    out: &mut [A::Number],
) -> Result<(), Refusal> {
    of_pivots::<A>(d, a, scratch, out, |pivots, _| {
        let mut logs = pivots.map(|pivot| A::log(&magnitude::<A>(pivot)));
        logs.try_fold(A::zero(), |sum, log| Ok(A::add(&sum, &log?)))
    })
}

/// Most directions of [`cofactor`]: factorially many terms are as good as none.
pub const MAX_DIRECTIONS: usize = 12;

/// Derivatives of the determinant. For directions `E_1 .. E_k` the matrix `C` with
///
/// ```text
/// <C, E> = D^(k+1) det(a)[E_1, .., E_k, E]    for every E
/// ```
///
/// so for k = 0 the matrix of cofactors. `a` may be singular: it is diagonalised by steps that have
/// an inverse, `X a Y = D` with pivots of the largest magnitude, and then
/// `det(a + E) = det(D + X E Y) / det(X Y)`, whose derivatives are sums of minors of the `X E Y`
/// times products of entries of `D`; nothing is divided by an entry of `D` that is 0. There are
/// `n^(k+1) (k+1)!` terms.
pub fn cofactor<A: Arithmetic>(
    d: &ArrayDims,
    a: &[A::Number],
    e: &[A::Number],
    scratch: &mut [A::Number],
    out: &mut [A::Number],
) -> Result<(), Refusal> {
    let (n, k, square) = (d.n, d.inner, d.n * d.n);
    if k > MAX_DIRECTIONS {
        return Err("has too many directions");
    }
    let (m, rest) = scratch.split_at_mut(square);
    let (x, rest) = rest.split_at_mut(square);
    let (y, rest) = rest.split_at_mut(square);
    let (core, rest) = rest.split_at_mut(square);
    let (product, f) = rest.split_at_mut(square);
    for at in 0..d.outer {
        m.clone_from_slice(&a[at * square..][..square]);
        let odd = diagonalise::<A>(m, x, y, n)?;
        let e = &e[at * k * square..][..k * square];
        for l in 0..k {
            multiply::<A>(n, |i, p| &x[i * n + p], |p, j| &e[l * square + p * n + j], product);
            multiply::<A>(
                n,
                |i, p| &product[i * n + p],
                |p, j| &y[p * n + j],
                &mut f[l * square..][..square],
            );
        }
        core.fill(A::zero());
        mixed_minors::<A>(n, k, m, f, core);
        // <core, X E Y> = <X^T core Y^T, E>
        multiply::<A>(n, |i, p| &x[p * n + i], |p, j| &core[p * n + j], product);
        let out = &mut out[at * square..][..square];
        multiply::<A>(n, |i, p| &product[i * n + p], |p, j| &y[j * n + p], out);
        if odd {
            out.iter_mut().for_each(|v| *v = A::neg(v));
        }
    }
    Ok(())
}

/// A product of matrices given by their entries.
fn multiply<'a, A: Arithmetic>(
    n: usize,
    left: impl Fn(usize, usize) -> &'a A::Number,
    right: impl Fn(usize, usize) -> &'a A::Number,
    out: &mut [A::Number],
) where
    A::Number: 'a,
{
    for i in 0..n {
        for j in 0..n {
            out[i * n + j] = (0..n).fold(A::zero(), |sum, p| A::fma(left(i, p), right(p, j), &sum));
        }
    }
}

/// `x m y` becomes diagonal, by exchanges and multiples of at most one. Whether `det(x y)` is -1.
fn diagonalise<A: Arithmetic>(
    m: &mut [A::Number],
    x: &mut [A::Number],
    y: &mut [A::Number],
    n: usize,
) -> Result<bool, Refusal> {
    for unit in [&mut *x, &mut *y] {
        unit.fill(A::zero());
        (0..n).for_each(|i| unit[i * n + i] = A::one());
    }
    let mut odd = false;
    for k in 0..n {
        let mut pivot = (k, k);
        for i in k..n {
            for j in k..n {
                if larger::<A>(&m[i * n + j], &m[pivot.0 * n + pivot.1]) {
                    pivot = (i, j);
                }
            }
        }
        odd ^= (pivot.0 != k) ^ (pivot.1 != k);
        swap_rows(m, n, k, pivot.0);
        swap_rows(x, n, k, pivot.0);
        for i in 0..n {
            m.swap(i * n + k, i * n + pivot.1);
            y.swap(i * n + k, i * n + pivot.1);
        }
        let largest = m[k * n + k].clone();
        if is_zero::<A>(&largest) {
            break;
        }
        for i in k + 1..n {
            let factor = A::div(&m[i * n + k], &largest)?;
            subtract::<A>(m, n, [i, k], &factor, k + 1);
            subtract::<A>(x, n, [i, k], &factor, 0);
            m[i * n + k] = A::zero();
        }
        for j in k + 1..n {
            let minus = A::neg(&A::div(&m[k * n + j], &largest)?);
            for i in 0..n {
                y[i * n + j] = A::fma(&minus, &y[i * n + k], &y[i * n + j]);
            }
            m[k * n + j] = A::zero();
        }
    }
    Ok(odd)
}

/// The matrix `core` with `<core, F> = D^(k+1) det(diagonal)[f_1, .., f_k, F]`: each of `F, f_1, ..`
/// takes a row of its own, the columns are those rows in any order, and the diagonal has the rest.
fn mixed_minors<A: Arithmetic>(
    n: usize,
    k: usize,
    diagonal: &[A::Number],
    f: &[A::Number],
    core: &mut [A::Number],
) {
    let size = k + 1;
    if size > n {
        return;
    }
    let mut rows = [0usize; MAX_DIRECTIONS + 1];
    let rows = &mut rows[..size];
    loop {
        let distinct = (1..size).all(|l| !rows[..l].contains(&rows[l]));
        if distinct {
            let others = (0..n).filter(|j| !rows.contains(j));
            let rest = others.fold(A::one(), |p, j| A::mul(&p, &diagonal[j * n + j]));
            let mut order: [usize; MAX_DIRECTIONS + 1] = std::array::from_fn(|l| l);
            let order = &mut order[..size];
            let mut odd = false;
            loop {
                let first = if odd { A::neg(&rest) } else { rest.clone() };
                let term = (1..size)
                    .fold(first, |p, l| A::mul(&p, &f[(l - 1) * n * n + rows[l] * n + rows[order[l]]]));
                let at = rows[0] * n + rows[order[0]];
                core[at] = A::add(&core[at], &term);
                match next_permutation(order) {
                    Some(swaps) => odd ^= swaps % 2 == 1,
                    None => break,
                }
            }
        }
        // The next choice of rows, the last one fastest.
        let Some(l) = (0..size).rev().find(|&l| rows[l] + 1 < n) else { return };
        rows[l] += 1;
        rows[l + 1..].fill(0);
    }
}

/// The next order in the lexicographic sense, and by how many exchanges; `None` after the last.
fn next_permutation(order: &mut [usize]) -> Option<usize> {
    let i = (1..order.len()).rev().find(|&i| order[i - 1] < order[i])?;
    let j = (i..order.len()).rev().find(|&j| order[j] > order[i - 1])?;
    order.swap(i - 1, j);
    order[i..].reverse();
    Some(1 + (order.len() - i) / 2)
}
