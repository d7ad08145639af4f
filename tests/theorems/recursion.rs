//! Graphs as lists of nodes, with value and reverse defined by recursion over the list.

use crate::support::Rng;
use cotangent::tape::{Data, Element, Exact, Native, Numbers, Tensor};
use cotangent::{Builder, Graph, Var, dtype};
use num_rational::BigRational;
use num_traits::Zero;

/// Extent of every vector.
pub const N: usize = 3;

/// A number of the definition.
pub trait Number: Element + PartialEq + std::fmt::Debug {
    type Kind: Numbers<F64 = Self>;
    fn of(n: i64, d: i64) -> Self;
    fn add(&self, other: &Self) -> Self;
    fn mul(&self, other: &Self) -> Self;
    fn div(&self, other: &Self) -> Self;
    fn fma(&self, b: &Self, c: &Self) -> Self;
    fn neg(&self) -> Self;
    fn exp(&self) -> Self;
    fn less(&self, other: &Self) -> bool;
    /// For comparisons: the same only if every bit is.
    fn same(&self, other: &Self) -> bool;
    fn is_zero(&self) -> bool;
}

impl Number for f64 {
    type Kind = Native;
    fn of(n: i64, d: i64) -> f64 {
        n as f64 / d as f64
    }
    fn add(&self, other: &f64) -> f64 {
        self + other
    }
    fn mul(&self, other: &f64) -> f64 {
        self * other
    }
    fn div(&self, other: &f64) -> f64 {
        self / other
    }
    fn fma(&self, b: &f64, c: &f64) -> f64 {
        self.mul_add(*b, *c)
    }
    fn neg(&self) -> f64 {
        -self
    }
    fn exp(&self) -> f64 {
        cotangent_runtime::math::exp(*self)
    }
    fn less(&self, other: &f64) -> bool {
        self < other
    }
    fn same(&self, other: &f64) -> bool {
        self.to_bits() == other.to_bits() || (self.is_nan() && other.is_nan())
    }
    fn is_zero(&self) -> bool {
        *self == 0.0
    }
}

impl Number for BigRational {
    type Kind = Exact;
    fn of(n: i64, d: i64) -> BigRational {
        BigRational::new(n.into(), d.into())
    }
    fn add(&self, other: &BigRational) -> BigRational {
        self + other
    }
    fn mul(&self, other: &BigRational) -> BigRational {
        self * other
    }
    fn div(&self, other: &BigRational) -> BigRational {
        self / other
    }
    fn fma(&self, b: &BigRational, c: &BigRational) -> BigRational {
        self * b + c
    }
    fn neg(&self) -> BigRational {
        -self
    }
    fn exp(&self) -> BigRational {
        unreachable!("the exponential of a rational number")
    }
    fn less(&self, other: &BigRational) -> bool {
        self < other
    }
    fn same(&self, other: &BigRational) -> bool {
        self == other
    }
    fn is_zero(&self) -> bool {
        Zero::is_zero(self)
    }
}

/// A value: a number, or a vector of [`N`].
pub type Value<S> = Vec<S>;

/// One node; operands are positions in the context.
#[derive(Clone, Copy, Debug)]
pub enum Node {
    Add(usize, usize),
    Sub(usize, usize),
    Mul(usize, usize),
    Div(usize, usize),
    MulAdd(usize, usize, usize),
    Neg(usize),
    Square(usize),
    Scale(usize),
    Exp(usize),
    Relu(usize),
    Maximum(usize, usize),
    /// Vector to number.
    Sum(usize),
    Dot(usize, usize),
    /// Number to vector.
    Spread(usize),
    /// Vector backwards.
    Flip(usize),
}

use Node::*;

fn zip<S: Number>(a: &Value<S>, b: &Value<S>, f: impl Fn(&S, &S) -> S) -> Value<S> {
    a.iter().zip(b).map(|(a, b)| f(a, b)).collect()
}

fn each<S: Number>(a: &Value<S>, f: impl Fn(&S) -> S) -> Value<S> {
    a.iter().map(f).collect()
}

/// Lanes joined by halves: of three, the last joins the first.
fn joined<S: Number>(v: &Value<S>) -> Value<S> {
    match v.as_slice() {
        [a, b, c] => vec![a.add(c).add(b)],
        _ => v.clone(),
    }
}

impl Node {
    pub fn operands(self) -> Vec<usize> {
        match self {
            Add(a, b) | Sub(a, b) | Mul(a, b) | Div(a, b) | Maximum(a, b) | Dot(a, b) => vec![a, b],
            MulAdd(a, b, c) => vec![a, b, c],
            Neg(a) | Square(a) | Scale(a) | Exp(a) | Relu(a) | Sum(a) | Spread(a) | Flip(a) => vec![a],
        }
    }

    /// forward(ctx)
    fn forward<S: Number>(self, ctx: &[Value<S>]) -> Value<S> {
        let zero = S::of(0, 1);
        match self {
            Add(a, b) => zip(&ctx[a], &ctx[b], S::add),
            Sub(a, b) => zip(&ctx[a], &ctx[b], |a, b| a.add(&b.neg())),
            Mul(a, b) => zip(&ctx[a], &ctx[b], S::mul),
            Div(a, b) => zip(&ctx[a], &ctx[b], S::div),
            MulAdd(a, b, c) => (0..ctx[a].len()).map(|i| ctx[a][i].fma(&ctx[b][i], &ctx[c][i])).collect(),
            Neg(a) => each(&ctx[a], S::neg),
            Square(a) => each(&ctx[a], |x| x.mul(x)),
            Scale(a) => each(&ctx[a], |x| x.mul(&S::of(3, 4))),
            Exp(a) => each(&ctx[a], S::exp),
            Relu(a) => each(&ctx[a], |x| if zero.less(x) { x.clone() } else { zero.clone() }),
            Maximum(a, b) => zip(&ctx[a], &ctx[b], |a, b| if a.less(b) { b.clone() } else { a.clone() }),
            Sum(a) => joined(&ctx[a]),
            Dot(a, b) => joined(&zip(&ctx[a], &ctx[b], S::mul)),
            Spread(a) => vec![ctx[a][0].clone(); N],
            Flip(a) => ctx[a].iter().rev().cloned().collect(),
        }
    }

    /// vjp(ctx, delta): one contribution per operand, in operand order.
    fn vjp<S: Number>(self, ctx: &[Value<S>], y: &Value<S>, d: &Value<S>) -> Vec<Value<S>> {
        let (zero, half) = (S::of(0, 1), S::of(1, 2));
        let spread = |v: &Value<S>| vec![v[0].clone(); N];
        match self {
            Add(..) => vec![d.clone(), d.clone()],
            Sub(..) => vec![d.clone(), each(d, S::neg)],
            Mul(a, b) => vec![zip(d, &ctx[b], S::mul), zip(d, &ctx[a], S::mul)],
            Div(_, b) => {
                let slope = zip(y, &ctx[b], S::div);
                vec![zip(d, &ctx[b], S::div), zip(d, &slope, |d, s| d.mul(s).neg())]
            }
            MulAdd(a, b, _) => vec![zip(d, &ctx[b], S::mul), zip(d, &ctx[a], S::mul), d.clone()],
            Neg(_) => vec![each(d, S::neg)],
            Square(a) => vec![zip(d, &ctx[a], |d, x| d.mul(x).add(&d.mul(x)))],
            Scale(_) => vec![each(d, |d| d.mul(&S::of(3, 4)))],
            Exp(_) => vec![zip(d, y, S::mul)],
            Relu(a) => vec![zip(d, &ctx[a], |d, x| if zero.less(x) { d.clone() } else { zero.clone() })],
            Maximum(a, b) => {
                let share = |mine: usize, other: usize| -> Value<S> {
                    (0..d.len())
                        .map(|i| {
                            match (ctx[other][i].less(&ctx[mine][i]), ctx[mine][i].less(&ctx[other][i])) {
                                (true, _) => d[i].clone(),
                                (_, true) => zero.clone(),
                                _ => d[i].mul(&half),
                            }
                        })
                        .collect()
                };
                vec![share(a, b), share(b, a)]
            }
            Sum(a) => vec![if ctx[a].len() == N { spread(d) } else { d.clone() }],
            Dot(a, b) => vec![each(&ctx[b], |b| d[0].mul(b)), each(&ctx[a], |a| d[0].mul(a))],
            Spread(_) => vec![joined(d)],
            Flip(_) => vec![d.iter().rev().cloned().collect()],
        }
    }
}

/// A graph: shapes of its inputs, then nodes.
#[derive(Clone, Debug)]
pub struct List {
    /// Whether each input is a vector.
    pub inputs: Vec<bool>,
    pub nodes: Vec<Node>,
}

/// eval(g, x): all values.
pub fn eval<S: Number>(nodes: &[Node], x: &[Value<S>]) -> Vec<Value<S>> {
    match nodes.split_last() {
        None => x.to_vec(),
        Some((last, before)) => {
            let mut ctx = eval(before, x);
            ctx.push(last.forward(&ctx));
            ctx
        }
    }
}

/// backpropAllCtx(g, ctx, seed): the gradient of every value. `dense` adds the +0 of
/// values that a node does not use, as the lists of the original do.
pub fn backprop<S: Number>(
    nodes: &[Node],
    ctx: &[Value<S>],
    mut seed: Vec<Value<S>>,
    dense: bool,
) -> Vec<Value<S>> {
    let Some((last, before)) = nodes.split_last() else { return seed };
    let Some(own) = seed.pop() else { return seed };
    let (y, ctx) = (&ctx[seed.len()], &ctx[..seed.len()]);
    // The contributions of one node to one value are combined first.
    let mut combined: Vec<Option<Value<S>>> = vec![None; seed.len()];
    for (operand, contribution) in last.operands().into_iter().zip(last.vjp(ctx, y, &own)) {
        combined[operand] = Some(match &combined[operand] {
            None => contribution,
            Some(first) => zip(first, &contribution, S::add),
        });
    }
    for (existing, contribution) in seed.iter_mut().zip(combined) {
        match contribution {
            Some(contribution) => *existing = zip(existing, &contribution, S::add),
            None if dense => *existing = each(existing, |x| x.add(&S::of(0, 1))),
            None => {}
        }
    }
    let mut all = backprop(before, ctx, seed, dense);
    all.push(own);
    all
}

impl List {
    /// A random list; `exact` leaves out what rationals have not.
    pub fn random(rng: &mut Rng, exact: bool) -> List {
        let inputs: Vec<bool> = (0..2 + rng.next() % 3).map(|_| rng.next().is_multiple_of(2)).collect();
        let mut vectors = inputs.clone();
        let mut nodes = Vec::new();
        let wanted = 4 + rng.next() % 14;
        while (nodes.len() as u64) < wanted {
            let of = |vector: bool, rng: &mut Rng| -> Option<usize> {
                let all: Vec<usize> = (0..vectors.len()).filter(|&i| vectors[i] == vector).collect();
                (!all.is_empty()).then(|| all[rng.next() as usize % all.len()])
            };
            let vector = rng.next().is_multiple_of(2);
            let (a, b, c) = (of(vector, rng), of(vector, rng), of(vector, rng));
            let (Some(a), Some(b), Some(c)) = (a, b, c) else { continue };
            let (node, result) = match rng.next() % 15 {
                0 | 1 => (Add(a, b), vector),
                2 => (Sub(a, b), vector),
                3 | 4 => (Mul(a, b), vector),
                5 => (Div(a, b), vector),
                6 => (MulAdd(a, b, c), vector),
                7 => (Neg(a), vector),
                8 => (Square(a), vector),
                9 => (Scale(a), vector),
                10 if exact => (Relu(a), vector),
                10 => (Exp(a), vector),
                11 => (Maximum(a, b), vector),
                12 if vector => (Sum(a), false),
                13 if vector => (Dot(a, b), false),
                14 if vector => (Flip(a), true),
                _ if !vector => (Spread(a), true),
                _ => (Relu(a), vector),
            };
            nodes.push(node);
            vectors.push(result);
        }
        List { inputs, nodes }
    }

    /// Whether each value is a vector.
    pub fn vectors(&self) -> Vec<bool> {
        let mut vectors = self.inputs.clone();
        for node in &self.nodes {
            let first = node.operands()[0];
            vectors.push(match node {
                Sum(_) | Dot(..) => false,
                Spread(_) => true,
                _ => vectors[first],
            });
        }
        vectors
    }

    /// The same as a graph; each node is one value.
    pub fn graph(&self) -> Graph {
        let g = Builder::new();
        let mut v: Vec<Var<'_>> = Vec::new();
        for &vector in &self.inputs {
            v.push(if vector { g.input("", dtype::f64, [N]) } else { g.input("", dtype::f64, ()) });
        }
        for &node in &self.nodes {
            v.push(match node {
                Add(a, b) => v[a] + v[b],
                Sub(a, b) => v[a] - v[b],
                Mul(a, b) => v[a] * v[b],
                Div(a, b) => v[a] / v[b],
                MulAdd(a, b, c) => v[a].mul_add(v[b], v[c]),
                Neg(a) => -v[a],
                Square(a) => v[a].square(),
                Scale(a) => v[a].scale(0.75),
                Exp(a) => v[a].exp(),
                Relu(a) => v[a].relu(),
                Maximum(a, b) => v[a].maximum(v[b]),
                Sum(a) => v[a].sum(),
                Dot(a, b) => v[a].dot(v[b]),
                Spread(a) => v[a].broadcast_to([N]),
                Flip(a) => v[a].flip(&[0]),
            });
        }
        g.finish(&[v[v.len() - 1]]).unwrap()
    }

    /// Random numbers for each of some values.
    pub fn draw<S: Number>(vectors: &[bool], rng: &mut Rng) -> Vec<Value<S>> {
        let number = |rng: &mut Rng| S::of((rng.next() % 25) as i64 - 12, 1 + (rng.next() % 8) as i64);
        vectors.iter().map(|&v| (0..if v { N } else { 1 }).map(|_| number(rng)).collect()).collect()
    }

    /// A random list, its graph, and rational inputs it is defined at.
    pub fn exact(rng: &mut Rng) -> Option<(List, Graph, Vec<Tensor<Exact>>)> {
        let list = List::random(rng, true);
        let x = list.inputs::<BigRational>(rng)?;
        let (graph, x) = (list.graph(), tensors(&x, &list.inputs));
        Some((list, graph, x))
    }

    /// Inputs at which nothing is divided by zero.
    pub fn inputs<S: Number>(&self, rng: &mut Rng) -> Option<Vec<Value<S>>> {
        (0..20).map(|_| List::draw::<S>(&self.inputs, rng)).find(|x| {
            let mut ctx = x.clone();
            self.nodes.iter().all(|node| {
                let fine = match *node {
                    Div(_, b) => !ctx[b].iter().any(S::is_zero),
                    _ => true,
                };
                if fine {
                    ctx.push(node.forward(&ctx));
                }
                fine
            })
        })
    }
}

/// A value as the tape has it.
pub fn tensor<S: Number>(value: &Value<S>, vector: bool) -> Tensor<S::Kind> {
    let shape: &[usize] = if vector { &[N] } else { &[] };
    Tensor::new(shape.to_vec(), Data::F64(value.iter().cloned().collect())).unwrap()
}

/// Values as the tape has them.
pub fn tensors<S: Number>(values: &[Value<S>], vectors: &[bool]) -> Vec<Tensor<S::Kind>> {
    values.iter().zip(vectors).map(|(value, &vector)| tensor(value, vector)).collect()
}
