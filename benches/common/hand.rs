//! Value and gradient as one writes them by hand in Rust.

/// Each entry gathers both of its terms, so that iterations are independent.
pub fn rosenbrock(inputs: &[Vec<f64>], gradients: &mut [Vec<f64>]) -> f64 {
    let (x, g) = (&inputs[0][..], &mut gradients[0][..]);
    let (mut sum, mut before) = (0.0, 0.0);
    for (pair, g) in x.windows(2).zip(g.iter_mut()) {
        let (a, b) = (pair[1] - pair[0] * pair[0], 1.0 - pair[0]);
        sum += 100.0 * a * a + b * b;
        *g = 200.0 * before - 400.0 * a * pair[0] - 2.0 * b;
        before = a;
    }
    if let Some(last) = g.last_mut() {
        *last = 200.0 * before;
    }
    sum
}

pub fn logistic(inputs: &[Vec<f64>], gradients: &mut [Vec<f64>]) -> f64 {
    let (beta, x, y) = (&inputs[0], &inputs[1], &inputs[2]);
    let g = &mut gradients[0];
    let mut value = 0.0;
    for (g, b) in g.iter_mut().zip(beta) {
        value -= 0.5 * b * b;
        *g = -b;
    }
    for (row, y) in x.chunks_exact(beta.len()).zip(y) {
        let eta: f64 = row.iter().zip(beta).map(|(x, b)| x * b).sum();
        let q = (-eta.abs()).exp();
        value += y * eta - eta.max(0.0) - q.ln_1p();
        let residual = y - if eta > 0.0 { 1.0 / (1.0 + q) } else { q / (1.0 + q) };
        for (g, x) in g.iter_mut().zip(row) {
            *g += residual * x;
        }
    }
    value
}

pub fn network(inputs: &[Vec<f64>], gradients: &mut [Vec<f64>]) -> f64 {
    let [w1, b1, w2, b2, w3, b3, x, y] = inputs else { return f64::NAN };
    let [g1, gb1, g2, gb2, g3, gb3] = gradients else { return f64::NAN };
    let h = b1.len();
    let (mut h1, mut h2, mut d1) = ([0.0; 64], [0.0; 64], [0.0; 64]);
    let (h1, h2, d1) = (&mut h1[..h], &mut h2[..h], &mut d1[..h]);
    for j in 0..h {
        h1[j] = (b1[j] + x[0] * w1[j] + x[1] * w1[h + j]).tanh();
    }
    h2.copy_from_slice(b2);
    for (h1, row) in h1.iter().zip(w2.chunks_exact(h)) {
        for (h2, w) in h2.iter_mut().zip(row) {
            *h2 += h1 * w;
        }
    }
    let mut error = b3[0] - y[0];
    for (h2, w) in h2.iter_mut().zip(w3) {
        *h2 = h2.tanh();
        error += *h2 * w;
    }
    gb3[0] = error;
    for j in 0..h {
        g3[j] = error * h2[j];
        gb2[j] = error * w3[j] * (1.0 - h2[j] * h2[j]);
    }
    for i in 0..h {
        let mut sum = 0.0;
        for j in 0..h {
            g2[i * h + j] = h1[i] * gb2[j];
            sum += w2[i * h + j] * gb2[j];
        }
        d1[i] = sum * (1.0 - h1[i] * h1[i]);
    }
    for j in 0..h {
        gb1[j] = d1[j];
        g1[j] = x[0] * d1[j];
        g1[h + j] = x[1] * d1[j];
    }
    0.5 * error * error
}

fn transposed(n: usize, a: &[f64]) -> Vec<f64> {
    (0..n * n).map(|i| a[i % n * n + i / n]).collect()
}

/// c = a b, by rows so that the inner loop is along memory.
fn product(n: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    c.fill(0.0);
    for (row, c) in a.chunks_exact(n).zip(c.chunks_exact_mut(n)) {
        for (left, b) in row.iter().zip(b.chunks_exact(n)) {
            c.iter_mut().zip(b).for_each(|(c, b)| *c += left * b);
        }
    }
}

pub fn matmul_chain(inputs: &[Vec<f64>], gradients: &mut [Vec<f64>]) -> f64 {
    let [a, b, c] = inputs else { return f64::NAN };
    let [ga, gb, gc] = gradients else { return f64::NAN };
    let n = a.len().isqrt();
    let (mut ab, mut d, mut dab) = (vec![0.0; n * n], vec![0.0; n * n], vec![0.0; n * n]);
    product(n, a, b, &mut ab);
    product(n, &ab, c, &mut d);
    let value = d.iter().map(|v| v * v).sum();
    d.iter_mut().for_each(|v| *v *= 2.0);
    product(n, &transposed(n, &ab), &d, gc);
    product(n, &d, &transposed(n, c), &mut dab);
    product(n, &transposed(n, a), &dab, gb);
    product(n, &dab, &transposed(n, b), ga);
    value
}
