//! Operands that fit a row: picked among the values so far, or made.

use crate::fuzzing::draft::Slot;
use crate::fuzzing::generate::{Generator, compares, op, takes_masks};
use crate::fuzzing::numbers::elements;
use crate::fuzzing::source::pick;
use crate::fuzzing::windows;
use crate::graph::{DType, Shape, ValueType};
use crate::ops::{Literal, Op, Row, make};

impl Generator<'_> {
    /// An op of this row with operands; the shape rule has yet to agree.
    pub(super) fn propose(&mut self, row: &'static Row) -> Option<(Op, Vec<Slot>)> {
        match row.name {
            "const" => Some((self.literal()?, Vec::new())),
            "concat" => self.concat(row),
            "index_select" | "index_add" => self.indexed(row, true),
            "gather" | "scatter_add" => self.indexed(row, false),
            "embedding" => self.embedded(row),
            name if windows::ROWS.contains(&name) => self.windowed(row),
            _ => {
                let operands = self.operands(row)?;
                let attrs = self.attributes(row, &operands)?;
                Some((op(row, attrs)?, operands))
            }
        }
    }

    pub(super) fn ty(&self, v: Slot) -> &ValueType {
        &self.draft.values[v].ty
    }

    /// A value that fits, late ones for preference.
    pub(super) fn pick(&mut self, fits: impl Fn(&ValueType) -> bool) -> Option<Slot> {
        let n = self.draft.values.len();
        for _ in 0..10 {
            let late = self.source.chance(1, 2);
            let v = if late { n - 1 - self.source.below(n.min(6)) } else { self.source.below(n) };
            if fits(self.ty(v)) {
                return Some(v);
            }
        }
        let start = self.source.below(n);
        (0..n).map(|i| (start + i) % n).find(|&v| fits(self.ty(v)))
    }

    /// A new value of a type: an input or a constant.
    pub(super) fn make(&mut self, ty: ValueType, bound: Option<usize>) -> Option<Slot> {
        if ty.checked_bytes().is_none() || ty.numel() > self.limit {
            return None;
        }
        if self.draft.inputs() < self.profile.max_inputs && self.source.chance(1, 2) {
            return Some(self.draft.input(ty, bound));
        }
        let literal = self.elements_of(ty, bound)?;
        self.constant(make::constant(literal))
    }

    /// A constant of a type: all elements, or one that fills the shape.
    fn elements_of(&mut self, ty: ValueType, bound: Option<usize>) -> Option<Literal> {
        let kind = self.kind();
        let filled = self.source.chance(1, 4) || ty.numel() > 1 << 12;
        let n = if filled && ty.numel() > 0 { 1 } else { ty.numel() };
        if n == 1 && ty.dtype.is_float() && self.source.chance(1, 2) {
            let value = self.notable(ty.dtype);
            return Some(Literal::filled(ty.dtype, ty.shape, value));
        }
        let elements = elements(self.source, &ty, n, kind, bound);
        Literal::new(ty.shape, elements)
    }

    /// Constants that rewrites look for.
    pub(super) fn notable(&mut self, dtype: DType) -> f64 {
        let finite = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -4.0, 3.0];
        let tiny = if dtype == DType::F32 { f64::from(f32::from_bits(1)) } else { f64::MIN_POSITIVE };
        let all = [0.0, -0.0, 1.0, -1.0, 2.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, tiny];
        if self.profile.exact { finite[self.source.below(8)] } else { all[self.source.below(9)] }
    }

    /// One notable number in a shape that broadcasts to that of a value.
    fn filled(&mut self, like: Slot) -> Option<Slot> {
        let ty = self.ty(like).clone();
        let shape = self.narrowed(&ty.shape);
        let value = match self.source.below(6) {
            0 => 0.0,
            1 => -0.0,
            _ => self.notable(ty.dtype),
        };
        self.constant(make::constant(Literal::filled(ty.dtype, shape, value)))
    }

    /// Arithmetic on arithmetic, on few numbers: rewrites look for two or three
    /// ops on top of one another.
    pub(super) fn arithmetic(&mut self, rows: &[&'static Row]) -> Option<()> {
        // Inputs hold the edges of the format.
        let x = match self.source.chance(1, 2) {
            true => self.float_input()?,
            false => self.any_float()?,
        };
        let mut terms = vec![x, self.partner(x)?];
        for _ in 0..2 + self.source.below(3) {
            let row = pick(self.source, rows)?;
            let mut operands = Vec::new();
            for _ in 0..row.min_operands {
                operands.push(match self.source.below(6) {
                    0 => self.filled(x)?,
                    1..=3 => *terms.last()?,
                    _ => pick(self.source, &terms)?,
                });
            }
            if self.append(Op::plain(row), operands) {
                terms.push(self.draft.values.len() - 1);
            }
        }
        Some(())
    }

    /// An earlier node again with other attributes: it must not merge with that.
    pub(super) fn sibling(&mut self) -> Option<bool> {
        let at = self.source.below(self.draft.nodes.len());
        let node = self.draft.nodes.get(at)?;
        let (row, operands) = (node.op.row(), node.operands.clone());
        if operands.len() != 1 || row.attrs.is_empty() {
            return None;
        }
        let attrs = self.attributes(row, &operands)?;
        Some(self.append(op(row, attrs)?, operands))
    }

    fn literal(&mut self) -> Option<Op> {
        let dtype = match self.source.below(8) {
            0 => DType::Bool,
            1 => DType::I64,
            _ => self.float_type(),
        };
        let shape = self.shape();
        Some(make::constant(self.elements_of(ValueType::new(dtype, shape), None)?))
    }

    /// A value that fits, or a new one of a type.
    pub(super) fn pick_or_make(&mut self, ty: ValueType, bound: Option<usize>) -> Option<Slot> {
        let found = if self.source.chance(4, 5) { self.pick(|t| *t == ty) } else { None };
        match found {
            Some(v) => Some(v),
            None => self.make(ty, bound),
        }
    }

    /// A value that broadcasts with `a`: another, `a` itself, or a new one.
    fn partner(&mut self, a: Slot) -> Option<Slot> {
        let (ty, limit) = (self.ty(a).clone(), self.limit);
        if self.source.chance(1, 12) {
            return Some(a);
        }
        if ty.dtype.is_float() && self.source.chance(1, 10) {
            return self.filled(a);
        }
        let fits = |t: &ValueType| t.dtype == ty.dtype && joined(&ty.shape, &t.shape, limit);
        match self.pick(fits) {
            Some(b) if b != a || self.source.chance(1, 4) => Some(b),
            _ => {
                let shape = self.narrowed(&ty.shape);
                self.make(ValueType::new(ty.dtype, shape), None)
            }
        }
    }

    /// A shape that broadcasts to this one.
    fn narrowed(&mut self, shape: &Shape) -> Shape {
        let lead = if self.source.chance(1, 3) { self.source.below(shape.rank() + 1) } else { 0 };
        let mut dims = shape.dims()[lead..].to_vec();
        for d in &mut dims {
            if self.source.chance(1, 4) {
                *d = 1;
            }
        }
        Shape::new(&dims)
    }

    /// One of the inputs.
    fn float_input(&mut self) -> Option<Slot> {
        let fits = |v: &Slot| self.draft.values[*v].node.is_none() && self.ty(*v).dtype.is_float();
        let inputs: Vec<Slot> = (0..self.draft.values.len()).filter(fits).collect();
        pick(self.source, &inputs)
    }

    fn any_float(&mut self) -> Option<Slot> {
        let found = self.pick(|t| t.dtype.is_float());
        found.or_else(|| {
            let ty = ValueType::new(self.float_type(), self.shape());
            self.make(ty, None)
        })
    }

    /// An integer or a mask.
    fn discrete(&mut self) -> Option<Slot> {
        let found = if self.source.chance(1, 2) { self.pick(|t| !t.dtype.is_float()) } else { None };
        found.or_else(|| {
            let dtype = if self.source.chance(1, 4) { DType::Bool } else { DType::I64 };
            let shape = self.shape();
            self.make(ValueType::new(dtype, shape), None)
        })
    }

    fn mask(&mut self, shape: Option<&Shape>) -> Option<Slot> {
        let limit = self.limit;
        let fits = |t: &ValueType| t.dtype == DType::Bool && shape.is_none_or(|s| joined(s, &t.shape, limit));
        let found = if self.source.chance(4, 5) { self.pick(fits) } else { None };
        found.or_else(|| {
            let shape = match shape {
                Some(shape) => self.narrowed(shape),
                None => self.shape(),
            };
            self.make(ValueType::new(DType::Bool, shape), None)
        })
    }

    fn operands(&mut self, row: &'static Row) -> Option<Vec<Slot>> {
        match row.name {
            "where" => {
                let a = self.pick(|t| t.dtype != DType::Bool)?;
                let b = self.partner(a)?;
                let shape = if self.source.chance(1, 2) { self.ty(a) } else { self.ty(b) }.shape.clone();
                Some(vec![self.mask(Some(&shape))?, a, b])
            }
            // Other orders than whole ones give only NaN.
            "polygamma" if self.source.chance(7, 8) => {
                let x = self.any_float()?;
                let order = Literal::filled(self.ty(x).dtype, Shape::scalar(), self.source.below(5) as f64);
                Some(vec![self.constant(make::constant(order))?, x])
            }
            "mse" | "l1" | "huber" | "bce_with_logits" | "kl_div" => {
                let a = self.any_float()?;
                let ty = self.ty(a).clone();
                Some(vec![a, self.pick_or_make(ty, None)?])
            }
            "cross_entropy" => {
                let logits = self.pick(|t| t.dtype.is_float() && t.shape.rank() > 0)?;
                let (rows, classes) = match self.ty(logits).shape.dims() {
                    [rows @ .., classes] => (Shape::new(rows), *classes),
                    [] => return None,
                };
                Some(vec![logits, self.integers(&rows, Some(classes))?])
            }
            "masked_softmax" => {
                let x = self.pick(|t| t.dtype.is_float() && t.shape.rank() > 0)?;
                let shape = self.ty(x).shape.clone();
                let dims = self.narrowed(&shape);
                Some(vec![x, self.pick_or_make(ValueType::new(DType::Bool, dims), None)?])
            }
            "random_bits" | "rand_uniform" | "rand_normal" => Some(vec![self.key()?]),
            "bernoulli_mask" => {
                let found = self.pick(|t| t.dtype.is_float() && t.shape.is_scalar());
                let keep = match found {
                    Some(v) => v,
                    None => {
                        let dtype = self.float_type();
                        self.make(ValueType::new(dtype, ()), None)?
                    }
                };
                Some(vec![keep, self.key()?])
            }
            "layer_norm"
            | "rms_norm"
            | "batch_norm_eval"
            | "batch_norm_train"
            | "group_norm"
            | "sdpa"
            | "multi_head_attention"
            | "lstm_cell"
            | "gru_cell" => self.composed(row),
            "solve" | "triangular_solve" | "inverse" | "det" | "logabsdet" | "cofactor" | "cholesky" => {
                self.matrices(row)
            }
            "recurrence" => {
                let a = self.pick(|t| t.dtype.is_float() && t.shape.rank() > 0)?;
                let ty = self.ty(a).clone();
                Some(vec![a, self.pick_or_make(ty, None)?])
            }
            "argsort" => Some(vec![self.pick(|t| t.dtype != DType::Bool && t.shape.rank() > 0)?]),
            "cumsum" | "cumprod" | "sort" => {
                Some(vec![self.pick(|t| t.dtype.is_float() && t.shape.rank() > 0)?])
            }
            "tril" | "triu" => Some(vec![self.pick(|t| t.dtype.is_float() && t.shape.rank() > 1)?]),
            "trace" => Some(vec![self.pick(|t| t.dtype.is_float() && t.shape.rank() == 2)?]),
            "outer" => {
                let a = self.pick(|t| t.dtype.is_float() && t.shape.rank() == 1)?;
                let dtype = self.ty(a).dtype;
                Some(vec![a, self.pick(|t| t.dtype == dtype && t.shape.rank() == 1)?])
            }
            "stack" => {
                let a = self.pick(|_| true)?;
                let ty = self.ty(a).clone();
                let more = self.source.below(3);
                let others = (0..more).map(|_| self.pick(|t| *t == ty)).collect::<Option<Vec<Slot>>>()?;
                Some([vec![a], others].concat())
            }
            "matmul" | "matvec" | "vecmat" | "dot" | "linear" => self.product(row),
            "cast" if self.source.chance(1, 3) => Some(vec![self.discrete()?]),
            "broadcast_to" | "reshape" | "permute" | "slice" | "flip" | "split" | "cast" | "detach" => {
                Some(vec![self.pick(|_| true)?])
            }
            "pad" => Some(vec![self.pick(|t| t.dtype != DType::Bool)?]),
            _ => {
                let first = if takes_masks(row) {
                    self.mask(None)?
                } else if compares(row) {
                    self.pick(|t| t.dtype != DType::Bool)?
                } else {
                    self.any_float()?
                };
                let count = row.min_operands
                    + self.source.below(row.max_operands.min(row.min_operands + 2) - row.min_operands + 1);
                let mut operands = vec![first];
                while operands.len() < count {
                    operands.push(self.partner(first)?);
                }
                operands.truncate(count);
                Some(operands)
            }
        }
    }

    /// A seed and a counter.
    fn key(&mut self) -> Option<Slot> {
        self.integers(&[2].into(), None)
    }

    /// Operands of the contractions: the second is picked to fit the first.
    fn product(&mut self, row: &'static Row) -> Option<Vec<Slot>> {
        if row.name == "matmul" && self.source.chance(1, 16) {
            return self.crossed();
        }
        let rank = match row.name {
            "matmul" => 2,
            _ => 1,
        };
        let vector = matches!(row.name, "vecmat" | "dot");
        let fits =
            |t: &ValueType| t.dtype.is_float() && t.shape.rank() >= rank && (!vector || t.shape.rank() == 1);
        let a = match self.pick(fits) {
            Some(a) => a,
            None => {
                let dims: Vec<usize> = (0..rank).map(|_| self.extent()).collect();
                let dtype = self.float_type();
                self.make(ValueType::new(dtype, dims), None)?
            }
        };
        let ty = self.ty(a).clone();
        let dims = ty.shape.dims().to_vec();
        let (lead, k) = (&dims[..dims.len() - 1], *dims.last()?);
        let n = self.extent();
        let wanted: Vec<usize> = match row.name {
            "matmul" => {
                let batch = self.narrowed(&Shape::new(&lead[..lead.len() - 1]));
                batch.dims().iter().copied().chain([k, n]).collect()
            }
            "vecmat" => vec![k, n],
            "linear" => vec![n, k],
            _ => vec![k],
        };
        let near = wanted.len();
        let found = self.pick(|t| {
            let d = t.shape.dims();
            t.dtype == ty.dtype
                && match row.name {
                    "matmul" => d.len() >= 2 && d[d.len() - 2] == k,
                    "vecmat" => d.len() == 2 && d[0] == k,
                    "linear" => d.len() == 2 && d[1] == k,
                    _ => d.len() == near && d[0] == k,
                }
        });
        let b = match found.filter(|_| self.source.chance(3, 4)) {
            Some(b) => b,
            None => self.make(ValueType::new(ty.dtype, wanted), None)?,
        };
        let mut operands = vec![a, b];
        if row.name == "linear" && self.source.chance(1, 2) {
            let out = self.ty(b).shape.dims()[0];
            operands.push(self.pick_or_make(ValueType::new(ty.dtype, [out]), None)?);
        }
        Some(operands)
    }

    /// Matrices whose batch axes stretch by turns: none of them go together.
    fn crossed(&mut self) -> Option<Vec<Slot>> {
        let dtype = self.float_type();
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for axis in 0..self.profile.max_rank.saturating_sub(2) {
            let (x, y) = if axis % 2 == 0 { (2, 1) } else { (1, 2) };
            a.push(x);
            b.push(y);
        }
        let [m, k, n] = [(); 3].map(|()| 1 + self.source.below(3));
        a.extend([m, k]);
        b.extend([k, n]);
        Some(vec![self.make(ValueType::new(dtype, a), None)?, self.make(ValueType::new(dtype, b), None)?])
    }
}

/// Whether two shapes broadcast to one within the limit.
fn joined(a: &Shape, b: &Shape, limit: usize) -> bool {
    let rank = a.rank().max(b.rank());
    let at =
        |s: &Shape, axis: usize| if axis < rank - s.rank() { 1 } else { s.dims()[axis - (rank - s.rank())] };
    let mut numel = 1usize;
    (0..rank).all(|axis| {
        let (x, y) = (at(a, axis), at(b, axis));
        numel = numel.saturating_mul(if x == 1 { y } else { x });
        x == y || x == 1 || y == 1
    }) && numel <= limit
}
