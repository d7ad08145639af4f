//! Attention and recurrent cells.

use crate::graph::{DType, Shape, ValueId};
use crate::ops::arrange::below;
use crate::ops::attr::AttrKind;
use crate::ops::emit::Emitter;
use crate::ops::error::OpError;
use crate::ops::infer;
use crate::ops::make;
use crate::ops::row::{AttrSpec, Op, Operand, Row, Rule, Types, Value};
use smallvec::{SmallVec, smallvec};

type R = Result<ValueId, OpError>;

const DEFINED: Row = Row {
    name: "",
    min_operands: 1,
    max_operands: 1,
    attrs: &[],
    infer: infer::by_definition,
    value: Value::Expand(|_, _| Ok(smallvec![])),
    vjp: Rule::ByDefinition,
    jvp: Rule::ByDefinition,
    exact: false,
};

fn wrong(op: &Op, a: &Shape, b: &Shape, why: &'static str) -> OpError {
    OpError::Shapes { op: op.name(), a: a.clone(), b: b.clone(), why }
}

/// Scaled dot-product attention: softmax(q k^T scale + mask) v. A boolean mask
/// keeps where it is true; `causal` keeps position j for query i where j <= i. A
/// query of which nothing is kept gets zeros.
pub static SDPA: Row = Row {
    name: "sdpa",
    min_operands: 3,
    max_operands: 4,
    attrs: &[AttrSpec::new("causal", AttrKind::Bool), AttrSpec::new("scale", AttrKind::Float)],
    infer: infer_attention,
    value: Value::Expand(|e, site| {
        let (q, k, v) = (site.operands[0], site.operands[1], site.operands[2]);
        let k = e.transpose_last(k)?;
        let products = e.matmul(q, k)?;
        let scale = e.scalar_like(products, site.op.attrs.float(1))?;
        let mut scores = e.mul(products, scale)?;
        let mut keep = site.op.attrs.flag(0).then(|| below(e, scores, 0)).transpose()?;
        match (site.operands.get(3), keep) {
            (Some(&mask), past) if e.dtype(mask) == DType::Bool => {
                keep = Some(past.map_or(Ok(mask), |past| e.and(past, mask))?);
            }
            (Some(&mask), _) => scores = e.add(scores, mask)?,
            (None, _) => {}
        }
        let last = e.ty(scores).shape.rank() - 1;
        let weights = match keep {
            Some(keep) => e.one(make::masked_softmax(last), &[scores, keep])?,
            None => e.one(make::softmax(last), &[scores])?,
        };
        Ok(smallvec![e.matmul(weights, v)?])
    }),
    ..DEFINED
};

fn infer_attention(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    infer::float(op, operands, 0)?;
    let shape = |i: usize| &operands[i].ty.shape;
    for i in 1..3 {
        infer::same_dtype(op, operands, 0, i)?;
    }
    let [q, k, v] = [shape(0), shape(1), shape(2)];
    let fits = |a: &Shape, b: &Shape, x: usize, y: usize| {
        a.rank() >= 2 && b.rank() >= 2 && a.dims()[a.rank() - x] == b.dims()[b.rank() - y]
    };
    if !fits(q, k, 1, 1) {
        return Err(wrong(op, q, k, "are not queries (.., l, e) and keys (.., s, e)"));
    }
    if !fits(k, v, 2, 2) {
        return Err(wrong(op, k, v, "are not keys (.., s, e) and values (.., s, f)"));
    }
    if let Some(mask) = operands.get(3) {
        if mask.ty.dtype != DType::Bool {
            infer::same_dtype(op, operands, 0, 3)?;
        }
        let (l, s) = (q.dims()[q.rank() - 2], k.dims()[k.rank() - 2]);
        let lead = infer::broadcast(op.name(), &lead(q), &lead(k))?;
        let scores: Shape = lead.dims().iter().copied().chain([l, s]).collect();
        if infer::broadcast(op.name(), &scores, &mask.ty.shape)? != scores {
            return Err(wrong(
                op,
                &scores,
                &mask.ty.shape,
                "are not scores and a mask that broadcasts to them",
            ));
        }
    }
    infer::by_definition(op, operands)
}

fn lead(shape: &Shape) -> Shape {
    Shape::new(&shape.dims()[..shape.rank() - 2])
}

/// Self-attention in `heads` heads: operands w_q, w_k, w_v (d, h e), w_o (h e, d), x (..,
/// n, d) and a mask (.., n, n) that keeps where it is true. The columns of a head are
/// next to each other.
pub static MULTI_HEAD_ATTENTION: Row = Row {
    name: "multi_head_attention",
    min_operands: 5,
    max_operands: 6,
    attrs: &[AttrSpec::new("heads", AttrKind::Int)],
    infer: infer_heads,
    // Values first: the sweep then adds up queries, keys, values.
    value: Value::Expand(|e, site| {
        let &[wq, wk, wv, wo, x, ref mask @ ..] = site.operands else { return Ok(smallvec![]) };
        let heads = site.op.attrs.int(0) as usize;
        let v = into_heads(e, x, wv, heads)?;
        let k = into_heads(e, x, wk, heads)?;
        let q = into_heads(e, x, wq, heads)?;
        let width = e.ty(q).shape.dims().last().copied().unwrap_or(0).max(1);
        let mut operands: SmallVec<[ValueId; 4]> = smallvec![q, k, v];
        for &mask in mask {
            // The heads share a mask.
            let shape = e.shape(mask);
            let at = shape.rank().saturating_sub(2);
            let dims: Shape = match at {
                0 => shape.clone(),
                _ => [&shape.dims()[..at], &[1], &shape.dims()[at..]].concat().into_iter().collect(),
            };
            operands.push(e.reshape(mask, &dims)?);
        }
        let mixed = e.one(make::sdpa(false, 1.0 / (width as f64).sqrt()), &operands)?;
        let rank = e.ty(mixed).shape.rank();
        let together = e.permute(mixed, &swapped(rank))?;
        let dims = e.shape(together);
        let joined = [&dims.dims()[..rank - 2], &[dims.dims()[rank - 2] * dims.dims()[rank - 1]]].concat();
        let joined = e.reshape(together, &Shape::new(&joined))?;
        Ok(smallvec![e.matmul(joined, wo)?])
    }),
    ..DEFINED
};

/// Axes with the second and third from the end exchanged.
fn swapped(rank: usize) -> Vec<usize> {
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 2, rank - 3);
    perm
}

/// (.., n, d) times (d, h e) as (.., h, n, e).
fn into_heads(e: &mut dyn Emitter, x: ValueId, w: ValueId, heads: usize) -> R {
    let product = e.matmul(x, w)?;
    let shape = e.shape(product);
    let last = shape.rank() - 1;
    let apart = [&shape.dims()[..last], &[heads, shape.dims()[last] / heads.max(1)]].concat();
    let apart = e.reshape(product, &Shape::new(&apart))?;
    let rank = e.ty(apart).shape.rank();
    e.permute(apart, &swapped(rank))
}

fn infer_heads(op: &Op, operands: &[Operand<'_>]) -> Result<Types, OpError> {
    infer::float(op, operands, 0)?;
    let shape = |i: usize| &operands[i].ty.shape;
    for i in 1..5 {
        infer::same_dtype(op, operands, 0, i)?;
    }
    let (wq, wo, x) = (shape(0), shape(3), shape(4));
    let &[inputs, columns] = wq.dims() else {
        return Err(OpError::Shape {
            op: op.name(),
            shape: wq.clone(),
            why: "is not a matrix (d, h e)".into(),
        });
    };
    for i in 1..3 {
        if shape(i) != wq {
            return Err(wrong(op, wq, shape(i), "are not weights of one shape (d, h e)"));
        }
    }
    if wo.rank() != 2 || wo.dims()[0] != columns {
        return Err(wrong(op, wq, wo, "are not weights (d, h e) and (h e, d)"));
    }
    if x.rank() < 2 || x.dims()[x.rank() - 1] != inputs {
        return Err(wrong(op, x, wq, "are not an input (.., n, d) and weights (d, h e)"));
    }
    let heads = op.attrs.int(0);
    if heads < 1 || !(columns as u64).is_multiple_of(heads.unsigned_abs()) {
        let why = format!("{heads} heads do not part {columns} columns");
        return Err(OpError::Attr { op: op.name(), attr: "heads", why });
    }
    if let Some(mask) = operands.get(5) {
        if mask.ty.dtype != DType::Bool {
            let got = mask.ty.dtype;
            return Err(OpError::DType { op: op.name(), operand: 5, got, expected: "bool" });
        }
        let n = x.dims()[x.rank() - 2];
        let scores: Shape = lead(x).dims().iter().copied().chain([n, n]).collect();
        if infer::broadcast(op.name(), &scores, &mask.ty.shape)? != scores {
            let why = "are not scores and a mask that broadcasts to them";
            return Err(wrong(op, &scores, &mask.ty.shape, why));
        }
    }
    infer::by_definition(op, operands)
}

/// x w^T + b
fn affine(e: &mut dyn Emitter, x: ValueId, w: ValueId, b: ValueId) -> R {
    e.one(make::linear(), &[x, w, b])
}

/// Columns `i n..(i + 1) n` of the last axis.
fn gate(e: &mut dyn Emitter, gates: ValueId, i: usize, n: usize) -> R {
    let shape = e.shape(gates);
    let last = shape.rank() - 1;
    let (mut start, mut stop) = (vec![0; shape.rank()], shape.dims().to_vec());
    (start[last], stop[last]) = (i * n, (i + 1) * n);
    e.one(make::slice(&start, &stop, &vec![1; shape.rank()]), &[gates])
}

/// Shapes of a cell: x (.., i), states (.., n), weights (gates n, i) and (gates n, n),
/// biases (gates n).
fn infer_cell(op: &Op, operands: &[Operand<'_>], states: usize, gates: usize) -> Result<Types, OpError> {
    infer::float(op, operands, 0)?;
    let shape = |i: usize| &operands[i].ty.shape;
    for i in 1..operands.len() {
        infer::same_dtype(op, operands, 0, i)?;
    }
    let (x, h) = (shape(0), shape(1));
    let ([lead @ .., inputs], [states_lead @ .., n]) = (x.dims(), h.dims()) else {
        return Err(wrong(op, x, h, "are not an input (.., i) and a state (.., n)"));
    };
    if lead != states_lead || (2..=states).any(|i| shape(i) != h) {
        return Err(wrong(op, x, h, "are not an input (.., i) and a state (.., n)"));
    }
    let rows = gates.saturating_mul(*n);
    let expected = [vec![rows, *inputs], vec![rows, *n], vec![rows], vec![rows]];
    for (i, dims) in expected.iter().enumerate() {
        let w = shape(states + 1 + i);
        if w.dims() != dims.as_slice() {
            return Err(wrong(op, w, &Shape::new(dims), "are a weight or bias and the shape it must have"));
        }
    }
    Ok((0..states).map(|_| operands[1].ty.clone()).collect())
}

/// Long short-term memory: operands x, h, c, w_ih, w_hh, b_ih, b_hh, gates in the
/// order i, f, g, o; results h', c'.
pub static LSTM_CELL: Row = Row {
    name: "lstm_cell",
    min_operands: 7,
    max_operands: 7,
    infer: |op, operands| infer_cell(op, operands, 2, 4),
    value: Value::Expand(|e, site| {
        let &[x, h, c, w_ih, w_hh, b_ih, b_hh] = site.operands else { return Ok(smallvec![]) };
        let n = e.ty(h).shape.dims().last().copied().unwrap_or(0);
        let (from_x, from_h) = (affine(e, x, w_ih, b_ih)?, affine(e, h, w_hh, b_hh)?);
        let gates = e.add(from_x, from_h)?;
        let mut part = |i: usize| -> R {
            let own = gate(e, gates, i, n)?;
            e.unary(if i == 2 { make::tanh() } else { make::sigmoid() }, own)
        };
        let (input, forget, cell, output) = (part(0)?, part(1)?, part(2)?, part(3)?);
        let (kept, new) = (e.mul(forget, c)?, e.mul(input, cell)?);
        let c = e.add(kept, new)?;
        let bounded = e.unary(make::tanh(), c)?;
        Ok(smallvec![e.mul(output, bounded)?, c])
    }),
    ..DEFINED
};

/// Gated recurrent unit: operands x, h, w_ih, w_hh, b_ih, b_hh, gates in the order
/// r, z, n.
pub static GRU_CELL: Row = Row {
    name: "gru_cell",
    min_operands: 6,
    max_operands: 6,
    infer: |op, operands| infer_cell(op, operands, 1, 3),
    value: Value::Expand(|e, site| {
        let &[x, h, w_ih, w_hh, b_ih, b_hh] = site.operands else { return Ok(smallvec![]) };
        let n = e.ty(h).shape.dims().last().copied().unwrap_or(0);
        let (from_x, from_h) = (affine(e, x, w_ih, b_ih)?, affine(e, h, w_hh, b_hh)?);
        let mut both = |i: usize| Ok::<_, OpError>((gate(e, from_x, i, n)?, gate(e, from_h, i, n)?));
        let ((rx, rh), (zx, zh), (nx, nh)) = (both(0)?, both(1)?, both(2)?);
        let reset = e.add(rx, rh)?;
        let reset = e.unary(make::sigmoid(), reset)?;
        let update = e.add(zx, zh)?;
        let update = e.unary(make::sigmoid(), update)?;
        let recalled = e.mul(reset, nh)?;
        let new = e.add(nx, recalled)?;
        let new = e.unary(make::tanh(), new)?;
        let one = e.scalar_like(update, 1.0)?;
        let rest = e.sub(one, update)?;
        let (new, kept) = (e.mul(rest, new)?, e.mul(update, h)?);
        Ok(smallvec![e.add(new, kept)?])
    }),
    ..DEFINED
};

pub static ROWS: &[&Row] = &[&SDPA, &MULTI_HEAD_ATTENTION, &LSTM_CELL, &GRU_CELL];
