//! Rewrites that keep every bit (NaNs as a class): no x + 0, no reassociation.

use crate::graph::{DType, TypeId, ValueId, ValueType};
use crate::lower::columns;
use crate::lower::core::{Expander, Kind};
use crate::ops::{Elements, Literal, MapFn, Op, Prim, Reduction, make};
use crate::tape::{Native, Tensor, fold, fold_f64};
use cotangent_runtime::array::ArrayFn;
use smallvec::SmallVec;

/// Largest constant that is folded element by element.
const FOLD_LIMIT: usize = 1 << 14;

fn uniform_f64(e: &Expander, v: ValueId) -> Option<f64> {
    let bits = e.core.uniform(v)?;
    match e.core.node(v).ty.dtype {
        DType::F64 => Some(f64::from_bits(bits)),
        DType::F32 => Some(f64::from(f32::from_bits(bits as u32))),
        _ => None,
    }
}

fn is(e: &Expander, v: ValueId, value: f64) -> bool {
    uniform_f64(e, v).is_some_and(|c| c.to_bits() == value.to_bits())
}

/// The operand of a negation.
fn negated(e: &Expander, v: ValueId) -> Option<ValueId> {
    let node = e.core.node(v);
    (node.kind == Kind::Map(MapFn::Neg)).then(|| node.operands[0])
}

/// 1 / c where c is a power of two and both are normal.
fn exact_reciprocal(c: f64, dtype: DType) -> Option<f64> {
    let r = 1.0 / c;
    let power = c.is_normal() && r.is_normal() && c.to_bits() << 12 == 0;
    let fits = dtype == DType::F64 || ((r as f32).is_normal() && (c as f32).is_normal());
    (power && fits).then_some(r)
}

/// An equal, simpler node for a scalar function, if one is known.
pub fn map(e: &mut Expander, f: MapFn, op: &Op, operands: &[ValueId], ty: TypeId) -> Option<ValueId> {
    let among = |e: &Expander, kind: Kind| operands.iter().filter(|&&v| e.core.kind(v) == kind).count();
    let constants = among(e, Kind::Prim(Prim::Const));
    if constants == operands.len()
        && let Some(id) = fold_map(e, f, op, operands, ty)
    {
        return Some(id);
    }
    if among(e, Kind::Prim(Prim::Broadcast)) > 0
        && let Some(id) = hoist_broadcast(e, f, op, operands, ty)
    {
        return Some(id);
    }
    let is = |e: &Expander, v: ValueId, value: f64| constants > 0 && is(e, v, value);
    let make = |e: &mut Expander, f: MapFn, op: Op, operands: &[ValueId]| e.map(f, op, operands, ty);
    match (f, operands) {
        (MapFn::Neg, &[a]) => match negated(e, a) {
            Some(a) => Some(a),
            None => negate_factor(e, a, ty),
        },
        (MapFn::Add, &[a, b]) => {
            if is(e, a, -0.0) {
                Some(b)
            } else if is(e, b, -0.0) {
                Some(a)
            } else if let (true, Some(a)) = (a == b, negated(e, a)) {
                let twice = make(e, MapFn::Add, make::add(), &[a, a]);
                Some(make(e, MapFn::Neg, make::neg(), &[twice]))
            } else if let Some(b) = negated(e, b) {
                Some(make(e, MapFn::Sub, make::sub(), &[a, b]))
            } else if let Some(a) = negated(e, a) {
                Some(make(e, MapFn::Sub, make::sub(), &[b, a]))
            } else {
                ordered(e, f, op, a, b, ty)
            }
        }
        (MapFn::Sub, &[a, b]) => {
            if is(e, b, 0.0) {
                Some(a)
            } else {
                let b = negated(e, b)?;
                Some(make(e, MapFn::Add, make::add(), &[a, b]))
            }
        }
        (MapFn::Mul, &[a, b]) => {
            if is(e, a, 1.0) {
                Some(b)
            } else if is(e, b, 1.0) {
                Some(a)
            } else if is(e, a, -1.0) {
                Some(make(e, MapFn::Neg, make::neg(), &[b]))
            } else if is(e, b, -1.0) {
                Some(make(e, MapFn::Neg, make::neg(), &[a]))
            } else if a == b {
                Some(make(e, MapFn::Square, make::square(), &[a]))
            } else if let Some(a) = negated(e, a) {
                let product = make(e, MapFn::Mul, make::mul(), &[a, b]);
                Some(make(e, MapFn::Neg, make::neg(), &[product]))
            } else if let Some(b) = negated(e, b) {
                let product = make(e, MapFn::Mul, make::mul(), &[a, b]);
                Some(make(e, MapFn::Neg, make::neg(), &[product]))
            } else {
                ordered(e, f, op, a, b, ty)
            }
        }
        (MapFn::Div, &[a, b]) => {
            if is(e, b, 1.0) {
                return Some(a);
            }
            let r = exact_reciprocal(uniform_f64(e, b)?, e.core.types.get(ty).dtype)?;
            let r = e.full(ty, r);
            Some(make(e, MapFn::Mul, make::mul(), &[a, r]))
        }
        (MapFn::Square | MapFn::Abs, &[a]) => {
            let a = negated(e, a)?;
            Some(make(e, f, op.clone(), &[a]))
        }
        (MapFn::Select, &[c, a, b]) => match e.core.uniform(c) {
            _ if a == b => Some(a),
            Some(0) => Some(b),
            Some(_) => Some(a),
            None => None,
        },
        (MapFn::And | MapFn::Or, &[a, b]) if a == b => Some(a),
        (MapFn::Maximum | MapFn::Minimum | MapFn::And | MapFn::Or | MapFn::Xor, &[a, b]) => {
            ordered(e, f, op, a, b, ty)
        }
        _ => None,
    }
}

/// -(x * c) = x * -c for a constant c.
fn negate_factor(e: &mut Expander, product: ValueId, ty: TypeId) -> Option<ValueId> {
    let node = e.core.node(product);
    let &[x, c] = node.operands else { return None };
    if node.kind != Kind::Map(MapFn::Mul) {
        return None;
    }
    let (x, c) = if e.core.literal(c).is_some() { (x, c) } else { (c, x) };
    let value = uniform_f64(e, c)?;
    let literal = e.full(ty, -value);
    Some(e.map(MapFn::Mul, make::mul(), &[x, literal], ty))
}

/// Commutative operands in one order, so that equal nodes merge. Only the
/// payload of a NaN can tell.
fn ordered(e: &mut Expander, f: MapFn, op: &Op, a: ValueId, b: ValueId, ty: TypeId) -> Option<ValueId> {
    (a > b).then(|| e.node(Kind::Map(f), op.clone(), &[b, a], ty))
}

/// Constants through the tape's own definition.
fn fold_map(e: &mut Expander, f: MapFn, op: &Op, operands: &[ValueId], id: TypeId) -> Option<ValueId> {
    if let Some(value) = fold_numbers(e, f, operands, id) {
        return Some(e.full(id, value));
    }
    let literals = operands.iter().map(|&v| e.core.literal(v)).collect::<Option<SmallVec<[_; 3]>>>()?;
    let ty = e.core.types.get(id);
    if literals.iter().all(|l| l.uniform_bits().is_some()) && ty.numel() > 0 {
        let scalars = literals.iter().map(|l| filled_scalar(l)).collect::<Option<Vec<_>>>()?;
        let folded = fold(op, scalars)?;
        let literal = Literal::new(&ty.shape, elements(&folded))?;
        drop(literals);
        return Some(e.literal(literal));
    }
    drop(literals);
    fold_all(e, op, operands, id)
}

/// The same of constants that are one f64 each: most are, and need no tensors.
fn fold_numbers(e: &Expander, f: MapFn, operands: &[ValueId], id: TypeId) -> Option<f64> {
    let number = |ty: &ValueType| ty.dtype == DType::F64 && ty.numel() > 0;
    if !number(e.core.types.get(id)) || !operands.iter().all(|&v| number(e.core.node(v).ty)) {
        return None;
    }
    let values = operands.iter().map(|&v| uniform_f64(e, v)).collect::<Option<SmallVec<[f64; 3]>>>()?;
    fold_f64(f, &values)
}

fn filled_scalar(l: &Literal) -> Option<Tensor<Native>> {
    let one = Literal::new((), first(l.elements()))?;
    Tensor::from_literal(&one).ok()
}

fn first(elements: &Elements) -> Elements {
    match elements {
        Elements::F64(v) => Elements::F64(v[..1].to_vec()),
        Elements::F32(v) => Elements::F32(v[..1].to_vec()),
        Elements::I64(v) => Elements::I64(v[..1].to_vec()),
        Elements::Bool(v) => Elements::Bool(v[..1].to_vec()),
    }
}

fn elements(tensor: &Tensor<Native>) -> Elements {
    use crate::tape::Data;
    match tensor.data() {
        Data::F64(v) => Elements::F64(v.to_vec()),
        Data::F32(v) => Elements::F32(v.to_vec()),
        Data::I64(v) => Elements::I64(v.to_vec()),
        Data::Bool(v) => Elements::Bool(v.to_vec()),
    }
}

fn fold_all(e: &mut Expander, op: &Op, operands: &[ValueId], ty: TypeId) -> Option<ValueId> {
    let ty = e.core.types.get(ty);
    if operands.is_empty() || ty.numel() > FOLD_LIMIT || ty.numel() == 0 {
        return None;
    }
    let mut tensors = Vec::with_capacity(operands.len());
    for &v in operands {
        let literal = e.core.literal(v)?;
        if literal.ty().numel() > FOLD_LIMIT {
            return None;
        }
        tensors.push(Tensor::from_literal(literal).ok()?);
    }
    let folded = fold(op, tensors)?;
    let literal = Literal::new(&ty.shape, elements(&folded))?;
    Some(e.literal(literal))
}

/// f(broadcast x) = broadcast f(x): the same numbers, computed once each.
fn hoist_broadcast(e: &mut Expander, f: MapFn, op: &Op, operands: &[ValueId], ty: TypeId) -> Option<ValueId> {
    let mut source = None;
    for &v in operands {
        let node = e.core.node(v);
        match node.kind {
            Kind::Prim(Prim::Broadcast) => {
                let shape = e.core.node(node.operands[0]).shape();
                if source.as_ref().is_some_and(|s| s != shape) {
                    return None;
                }
                source = Some(shape.clone());
            }
            _ if e.core.uniform(v).is_some() => {}
            _ => return None,
        }
    }
    let source = source?;
    let mut inner: SmallVec<[ValueId; 3]> = SmallVec::new();
    for &v in operands {
        let node = e.core.node(v);
        inner.push(match node.kind {
            Kind::Prim(Prim::Broadcast) => node.operands[0],
            _ => {
                let literal = e.core.literal(v)?;
                let literal = Literal::new(source.clone(), first(literal.elements()))?;
                e.literal(literal)
            }
        });
    }
    let ValueType { dtype, shape } = e.core.types.get(ty).clone();
    let small = e.core.types.id(&ValueType { dtype, shape: source });
    let small = e.map(f, op.clone(), &inner, small);
    Some(e.broadcast(small, &shape))
}

/// Whether all of a constant is 1.
fn is_one(e: &Expander, v: ValueId) -> bool {
    e.core.uniform(v) == Some(Literal::bits_of(e.core.node(v).ty.dtype, 1.0))
}

/// An equal, simpler node for a primitive, if one is known.
pub fn prim(e: &mut Expander, prim: Prim, op: &Op, operands: &[ValueId], ty: TypeId) -> Option<ValueId> {
    let &[x, ..] = operands else { return None };
    let moves = matches!(
        prim,
        Prim::Broadcast
            | Prim::Reshape
            | Prim::Permute
            | Prim::Slice
            | Prim::Flip
            | Prim::Unfold
            | Prim::Cast
    );
    if moves && e.core.type_id(x) == ty {
        let same = match prim {
            Prim::Permute => op.attrs.ints(0).iter().enumerate().all(|(i, &p)| i as i64 == p),
            Prim::Flip => op.attrs.ints(0).is_empty(),
            _ => true,
        };
        if same {
            return Some(x);
        }
    }
    if let Some(literal) = e.core.literal(x).cloned()
        && moves
        && prim != Prim::Cast
        && literal.uniform_bits().is_some()
        && e.core.types.get(ty).numel() > 0
    {
        let literal = Literal::new(&e.core.types.get(ty).shape, first(literal.elements()))?;
        return Some(e.literal(literal));
    }
    let inner = e.core.node(x);
    match (prim, inner.kind) {
        (Prim::Broadcast, Kind::Prim(Prim::Broadcast)) => {
            let source = inner.operands[0];
            let shape = e.core.types.get(ty).shape.clone();
            Some(e.broadcast(source, &shape))
        }
        (Prim::Reshape, Kind::Prim(Prim::Reshape)) => {
            let source = inner.operands[0];
            if e.core.type_id(source) == ty {
                return Some(source);
            }
            Some(e.node(Kind::Prim(Prim::Reshape), op.clone(), &[source], ty))
        }
        // One rounding either way.
        (Prim::Array(ArrayFn::Recurrence), Kind::Prim(Prim::Const)) if is_one(e, x) => {
            let sum = Kind::Prim(Prim::Array(ArrayFn::CumulativeSum));
            Some(e.node(sum, op.clone(), &operands[1..], ty))
        }
        (Prim::Reduce(Reduction::Dot), Kind::Prim(Prim::Const)) => match operands {
            &[matrix, vector] if e.core.literal(vector).is_none() => columns::dots(e, matrix, vector),
            _ => fold_all(e, op, operands, ty),
        },
        (Prim::Matmul, _) => match operands {
            &[row, matrix] if e.core.literal(matrix).is_none() => columns::row_times(e, row, matrix),
            _ => fold_all(e, op, operands, ty),
        },
        (Prim::Concat, _) if operands.len() == 1 => Some(x),
        (Prim::Pad, _) if e.core.type_id(x) == ty => Some(x),
        (Prim::IndexSelect | Prim::Gather | Prim::IndexAdd | Prim::ScatterAdd | Prim::Const, _) => None,
        _ => fold_all(e, op, operands, ty),
    }
}
