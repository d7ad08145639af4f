//! The meaning of every kind, written down a second time and naively: one node from
//! the values of its parents, in f64, with a bound on how far another order of the same
//! arithmetic, or another library's functions, may be from it.

use cotangent::Shape;
use cotangent::ir::{IrGraph, IrNode, Kind, Payload, Window};

/// A value: row-major elements under extents.
#[derive(Clone, Debug)]
pub struct Value {
    pub dims: Vec<usize>,
    pub at: Vec<f64>,
}

/// Elements, and how many units of `epsilon` each may be off.
pub struct Meant {
    pub at: Vec<f64>,
    pub off: Vec<f64>,
    /// Whether signs of zeros are meant too: a sum here starts from +0, there with its
    /// first term.
    pub to_the_bit: bool,
}

impl Meant {
    fn exactly(at: Vec<f64>) -> Meant {
        let off = vec![0.0; at.len()];
        Meant { at, off, to_the_bit: true }
    }

    /// Each off by `n` units in the last place.
    fn about(at: Vec<f64>, n: f64) -> Meant {
        let off = at.iter().map(|y| n * y.abs()).collect();
        Meant { at, off, to_the_bit: false }
    }

    fn of(pairs: impl Iterator<Item = (f64, f64)>) -> Meant {
        let (at, off) = pairs.unzip();
        Meant { at, off, to_the_bit: false }
    }
}

/// All positions of extents, row-major.
fn positions(dims: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &n in dims {
        all = all.iter().flat_map(|p| (0..n).map(move |i| [p.as_slice(), &[i]].concat())).collect();
    }
    all
}

impl Value {
    fn get(&self, position: &[usize]) -> f64 {
        self.at[self.dims.iter().zip(position).fold(0, |at, (n, i)| at * n + i)]
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Vec<f64> {
        self.at.iter().map(|&x| f(x)).collect()
    }
}

/// A sum from the left, and what its rounding may come to.
fn sum(terms: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut total, mut size, mut n) = (0.0, 0.0, 1.0);
    for t in terms {
        total += t;
        size += t.abs();
        n += 1.0;
    }
    (total, 2.0 * n * size)
}

/// The 32 bits of element `i`, by splitmix64's mixing function.
fn random(seed: u64, node: usize, i: usize) -> f64 {
    let mix = |x: u64| {
        let z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let key = mix(seed.wrapping_add(node as u64));
    f64::from(mix(key.wrapping_add(i as u64)) as u32) / 4294967296.0
}

/// IEEE 754-2019 maximum.
fn maximum(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == b {
        if a.is_sign_positive() { a } else { b }
    } else {
        a.max(b)
    }
}

/// The cells of one place of a window over (.., C, H, W): offsets within the
/// kernel and the cell, `None` in the padding.
fn cells(x: &Value, w: &Window, padding: usize, lead: &[usize], oh: usize, ow: usize) -> Vec<Option<f64>> {
    let (h, width) = (x.dims[x.dims.len() - 2], x.dims[x.dims.len() - 1]);
    let mut all = Vec::new();
    for i in 0..w.kh {
        for j in 0..w.kw {
            let row = (oh * w.stride + i).checked_sub(padding).filter(|&r| r < h);
            let column = (ow * w.stride + j).checked_sub(padding).filter(|&c| c < width);
            all.push(row.zip(column).map(|(r, c)| x.get(&[lead, &[r, c]].concat())));
        }
    }
    all
}

/// The value of a node of a graph. `one` is the rounding to the type of the program,
/// which random numbers go through before they are compared.
pub fn meaning(
    graph: &IrGraph,
    node: &IrNode,
    parents: &[&Value],
    x: &[f64],
    payload: &Payload,
    one: fn(f64) -> f64,
) -> Meant {
    let own = |name: &str| payload.values(node.id, name).unwrap_or_default();
    let dims = node.shape.dims();
    let rank = dims.len();
    let a = parents.first().copied();
    let unary = |f: fn(f64) -> f64| a.unwrap().map(f);
    let binary = |f: fn(f64, f64) -> f64| -> Vec<f64> {
        parents[0].at.iter().zip(&parents[1].at).map(|(&a, &b)| f(a, b)).collect()
    };
    let gather = |source: &dyn Fn(&[usize]) -> Vec<usize>| {
        Meant::exactly(positions(dims).iter().map(|p| parents[0].get(&source(p))).collect())
    };
    match &node.kind {
        Kind::Input => Meant::exactly(x.to_vec()),
        Kind::Const { .. } => Meant::exactly(own("values").to_vec()),
        Kind::Detach => Meant::exactly(unary(|x| x)),
        Kind::Abs => Meant::exactly(unary(f64::abs)),
        Kind::Relu => Meant::exactly(unary(|x| maximum(x, 0.0))),
        Kind::Sqrt => Meant::exactly(unary(|x| maximum(x, 0.0).sqrt())),
        Kind::Inv => Meant::exactly(unary(|x| 1.0 / x)),
        Kind::Tanh => Meant::about(unary(f64::tanh), 4.0),
        // exp(-x) overflows where the value is still a number.
        Kind::Sigmoid => Meant::about(
            unary(|x| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }),
            8.0,
        ),
        Kind::Exp => Meant::about(unary(f64::exp), 4.0),
        Kind::Log => Meant::about(unary(f64::ln), 4.0),
        Kind::Sin => Meant::about(unary(f64::sin), 4.0),
        Kind::Cos => Meant::about(unary(f64::cos), 4.0),
        Kind::Add => Meant::exactly(binary(|a, b| a + b)),
        Kind::Sub => Meant::exactly(binary(|a, b| a - b)),
        Kind::MulElem => Meant::exactly(binary(|a, b| a * b)),
        Kind::MaxElem => Meant::exactly(binary(maximum)),
        Kind::MinElem => Meant::exactly(binary(|a, b| -maximum(-a, -b))),
        Kind::RandUniform { seed } => {
            Meant::exactly((0..node.shape.numel()).map(|i| one(random(*seed, node.id, i))).collect())
        }
        Kind::BernoulliMask { seed } => {
            let keep = parents[0].at[0];
            let mask = |i| f64::from(u8::from(keep > one(random(*seed, node.id, i))));
            Meant::exactly((0..node.shape.numel()).map(mask).collect())
        }
        Kind::Permute { perm } => gather(&|p| {
            let mut source = vec![0; rank];
            perm.iter().zip(p).for_each(|(&axis, &i)| source[axis] = i);
            source
        }),
        Kind::SwapFirstTwo => gather(&|p| [&[p[1], p[0]], &p[2..]].concat()),
        Kind::Transpose3dLastTwo => gather(&|p| vec![p[0], p[2], p[1]]),
        Kind::Reshape { .. } | Kind::Flatten { .. } => Meant::exactly(unary(|x| x)),
        Kind::BroadcastTo { from, to } => {
            let axes = broadcast_axes(from, to);
            gather(&|p| {
                axes.iter().zip(from.dims()).map(|(&axis, &n)| if n == 1 { 0 } else { p[axis] }).collect()
            })
        }
        Kind::Concat { axis } => {
            let take = |p: &Vec<usize>| {
                let mut p = p.clone();
                let mut part = 0;
                while p[*axis] >= parents[part].dims[*axis] {
                    p[*axis] -= parents[part].dims[*axis];
                    part += 1;
                }
                parents[part].get(&p)
            };
            Meant::exactly(positions(dims).iter().map(take).collect())
        }
        Kind::Sum => Meant::of([sum(parents[0].at.iter().copied())].into_iter()),
        Kind::ReduceSum { axis } | Kind::ReduceMean { axis } => {
            let n = parents[0].dims[*axis];
            let mean = matches!(node.kind, Kind::ReduceMean { .. });
            Meant::of(positions(dims).iter().map(|p| {
                let line = |i: usize| parents[0].get(&[&p[..*axis], &[i], &p[*axis..]].concat());
                let (total, off) = sum((0..n).map(line));
                if mean {
                    (total / n as f64, off / n as f64 + 2.0 * (total / n as f64).abs())
                } else {
                    (total, off)
                }
            }))
        }
        Kind::MseLoss => {
            let n = parents[0].at.len().max(1) as f64;
            let (total, off) = sum(binary(|a, b| (a - b) * (a - b)).into_iter());
            Meant::of([(total / n, off / n + 4.0 * total / n)].into_iter())
        }
        Kind::Softmax { axis } => {
            let n = dims[*axis];
            Meant::of(positions(dims).iter().map(|p| {
                let line = |i: usize| parents[0].get(&[&p[..*axis], &[i], &p[axis + 1..]].concat());
                let top = (0..n).map(line).fold(f64::NEG_INFINITY, maximum);
                let (total, _) = sum((0..n).map(|i| (line(i) - top).exp()));
                let y = (parents[0].get(p) - top).exp() / total;
                // The argument of exp is rounded too.
                (y, (2.0 * n as f64 + 8.0 + (parents[0].get(p) - top).abs()) * y)
            }))
        }
        Kind::Layernorm { axis, eps } => {
            let row: usize = dims[*axis..].iter().product();
            let n = row as f64;
            Meant::of((0..parents[0].at.len()).map(|i| {
                let start = i / row * row;
                let own = &parents[0].at[start..start + row];
                let mean = own.iter().sum::<f64>() / n;
                let var = own.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
                let std = (maximum(var, 0.0) + eps.unwrap_or(1e-6)).sqrt();
                let size = own.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
                let y = (parents[0].at[i] - mean) / std;
                (y, 8.0 * (n + 2.0) * (size / std + y.abs()) * (1.0 + y.abs()))
            }))
        }
        Kind::Matmul => {
            let k = parents[0].dims[rank - 1];
            Meant::of(positions(dims).iter().map(|p| {
                let (lead, i, j) = (&p[..rank - 2], p[rank - 2], p[rank - 1]);
                sum((0..k).map(|l| {
                    parents[0].get(&[lead, &[i, l]].concat()) * parents[1].get(&[lead, &[l, j]].concat())
                }))
            }))
        }
        Kind::Linear => {
            let k = parents[0].dims[rank - 1];
            let (w, b) = (own("W"), own("b"));
            Meant::of(positions(dims).iter().map(|p| {
                let (lead, o) = (&p[..rank - 1], p[rank - 1]);
                let terms = (0..k).map(|l| w[o * k + l] * parents[0].get(&[lead, &[l]].concat()));
                sum(terms.chain([b[o]]))
            }))
        }
        Kind::Conv2d { conv } => {
            let (w, b) = (own("W"), own("b"));
            let kernel = conv.window.kh * conv.window.kw;
            Meant::of(positions(dims).iter().map(|p| {
                let (lead, [o, oh, ow]) = (&p[..rank - 3], [p[rank - 3], p[rank - 2], p[rank - 1]]);
                let mut terms = Vec::new();
                for c in 0..conv.in_channels {
                    let inside =
                        cells(parents[0], &conv.window, conv.padding, &[lead, &[c]].concat(), oh, ow);
                    let row = &w[(o * conv.in_channels + c) * kernel..][..kernel];
                    terms.extend(row.iter().zip(inside).map(|(w, x)| w * x.unwrap_or(0.0)));
                }
                sum(terms.into_iter().chain([b[o]]))
            }))
        }
        Kind::MaxPool2d { window } => pooled(node, parents[0], window, 0, false),
        Kind::MaxPool2dPad { window, padding } => pooled(node, parents[0], window, *padding, false),
        Kind::AvgPool2d { window } => pooled(node, parents[0], window, 0, true),
        Kind::AvgPool2dPad { window, padding } => pooled(node, parents[0], window, *padding, true),
        Kind::BatchNorm2dNchwEval { eps, .. } => {
            let eps = eps.or(own("eps").first().copied()).unwrap_or(1e-6);
            let [gamma, beta, mean, var] = ["gamma", "beta", "mean", "var"].map(own);
            Meant::of(positions(dims).iter().map(|p| {
                let (c, x) = (p[1], parents[0].get(p));
                let std = (maximum(var[c], 0.0) + eps).sqrt();
                let scaled = (x - mean[c]) / std * gamma[c];
                (
                    scaled + beta[c],
                    8.0 * (scaled.abs() + beta[c].abs() + (x.abs() + mean[c].abs()) / std * gamma[c].abs()),
                )
            }))
        }
        #[allow(unreachable_patterns)]
        other => panic!("no meaning for {other:?} in {graph}"),
    }
}

fn pooled(node: &IrNode, x: &Value, window: &Window, padding: usize, mean: bool) -> Meant {
    let dims = node.shape.dims();
    let rank = dims.len();
    Meant::of(positions(dims).iter().map(|p| {
        let inside = cells(x, window, padding, &p[..rank - 2], p[rank - 2], p[rank - 1]);
        if mean {
            let n = inside.len() as f64;
            let (total, off) = sum(inside.into_iter().map(|x| x.unwrap_or(0.0)));
            return (total / n, off / n + 2.0 * (total / n).abs());
        }
        let real: Vec<f64> = inside.into_iter().flatten().collect();
        (if real.is_empty() { 0.0 } else { real.into_iter().fold(f64::NEG_INFINITY, maximum) }, 0.0)
    }))
}

/// The axis of `to` that each axis of `from` is: from the left, the next that is as
/// long, or any if it is 1.
fn broadcast_axes(from: &Shape, to: &Shape) -> Vec<usize> {
    let mut axes = Vec::new();
    for (axis, &n) in to.dims().iter().enumerate() {
        match from.dims().get(axes.len()) {
            Some(&own) if own == n || own == 1 => axes.push(axis),
            _ => {}
        }
    }
    assert_eq!(axes.len(), from.rank(), "{from} does not lead to {to}");
    axes
}
