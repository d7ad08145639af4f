//! Sums of products by axis names: einsum and the general dot product, made of
//! products of matrices, views and sums.

use crate::graph::builder::{Builder, Var};
use crate::graph::types::Shape;
use crate::ops::{OpError, make};
use std::collections::BTreeMap;
use std::panic::Location;

type At = &'static Location<'static>;

/// The name of an axis.
type Label = char;

/// A factor: a value and the names of its axes.
#[derive(Clone)]
struct Term<'b> {
    value: Var<'b>,
    labels: Vec<Label>,
}

/// A specification taken apart: names, each with its position in the text.
struct Parsed {
    terms: Vec<Vec<(usize, Label)>>,
    output: Option<Vec<(usize, Label)>>,
    /// Where each term starts.
    starts: Vec<usize>,
}

fn parse(spec: &str) -> Result<Parsed, (usize, String)> {
    let mut parsed = Parsed { terms: vec![Vec::new()], output: None, starts: vec![0] };
    let mut chars = spec.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' => {}
            ',' if parsed.output.is_none() => {
                parsed.terms.push(Vec::new());
                parsed.starts.push(at + 1);
            }
            '-' if parsed.output.is_none() && chars.peek().is_some_and(|next| next.1 == '>') => {
                chars.next();
                parsed.output = Some(Vec::new());
            }
            c if c.is_ascii_alphabetic() => {
                let list = match &mut parsed.output {
                    Some(output) => Some(output),
                    None => parsed.terms.last_mut(),
                };
                list.into_iter().for_each(|list| list.push((at, c)));
            }
            c => return Err((at, format!("{c:?} is no letter, comma or ->"))),
        }
    }
    Ok(parsed)
}

/// Names of the result: those given, or those that occur once, in alphabetical order.
fn output(parsed: &Parsed) -> Result<Vec<Label>, (usize, String)> {
    let count = |label: Label| parsed.terms.iter().flatten().filter(|t| t.1 == label).count();
    let Some(given) = &parsed.output else {
        let mut once: Vec<Label> = parsed.terms.iter().flatten().map(|t| t.1).collect();
        once.retain(|&label| count(label) == 1);
        once.sort_unstable();
        return Ok(once);
    };
    for (i, &(at, label)) in given.iter().enumerate() {
        if count(label) == 0 {
            return Err((at, format!("{label} is the name of no operand's axis")));
        }
        if given[..i].iter().any(|earlier| earlier.1 == label) {
            return Err((at, format!("{label} occurs twice in the result")));
        }
    }
    Ok(given.iter().map(|g| g.1).collect())
}

/// Checks that names and shapes agree.
fn checked<'b>(spec: &str, parsed: &Parsed, operands: &[Var<'b>]) -> Result<Vec<Term<'b>>, (usize, String)> {
    if parsed.terms.len() != operands.len() {
        let at = parsed.starts.get(operands.len()).copied().unwrap_or(spec.len());
        let why = format!("{} terms for {} operands", parsed.terms.len(), operands.len());
        return Err((at, why));
    }
    let mut extents: BTreeMap<Label, usize> = BTreeMap::new();
    let mut terms = Vec::with_capacity(operands.len());
    for (i, (names, &value)) in parsed.terms.iter().zip(operands).enumerate() {
        let shape = value.shape();
        if names.len() != shape.rank() {
            let why = format!("{} names for operand {i} of shape {shape}", names.len());
            return Err((parsed.starts[i], why));
        }
        for (&(at, label), &n) in names.iter().zip(shape.dims()) {
            let known = *extents.entry(label).or_insert(n);
            if known != n {
                return Err((at, format!("{label} is {n} in operand {i}, {known} before")));
            }
        }
        terms.push(Term { value, labels: names.iter().map(|n| n.1).collect() });
    }
    Ok(terms)
}

impl<'b> Term<'b> {
    fn extent(&self, label: Label) -> usize {
        let at = self.labels.iter().position(|&l| l == label);
        at.and_then(|at| self.value.shape().dims().get(at).copied()).unwrap_or(1)
    }

    /// Axes in this order; the names are those of the term, each once.
    fn ordered(self, order: &[Label], at: At) -> Term<'b> {
        let perm: Vec<usize> =
            order.iter().filter_map(|label| self.labels.iter().position(|l| l == label)).collect();
        if perm.iter().enumerate().all(|(i, &p)| i == p) {
            return self;
        }
        Term { value: self.value.op1(make::permute(&perm), at), labels: order.to_vec() }
    }

    fn shaped(&self, dims: &[usize], at: At) -> Var<'b> {
        if self.value.shape().dims() == dims {
            return self.value;
        }
        self.value.op1(make::reshape(&Shape::new(dims)), at)
    }

    /// Diagonals where a name occurs twice.
    fn diagonals(mut self, at: At) -> Term<'b> {
        loop {
            let labels = &self.labels;
            let twice = (0..labels.len())
                .find_map(|q| labels[..q].iter().position(|l| *l == labels[q]).map(|p| (p, q)));
            let Some((p, q)) = twice else { return self };
            let kept = (0..labels.len()).filter(|&axis| axis != p && axis != q);
            let perm: Vec<usize> = kept.chain([p, q]).collect();
            let names: Vec<Label> = perm[..perm.len() - 1].iter().map(|&axis| labels[axis]).collect();
            let shape = self.value.shape();
            let n = shape.dims()[p];
            let mut dims: Vec<usize> =
                perm[..perm.len() - 2].iter().map(|&axis| shape.dims()[axis]).collect();
            dims.push(n * n);
            let flat = self.value.op1(make::permute(&perm), at).op1(make::reshape(&Shape::new(&dims)), at);
            let (start, mut stop, mut step) = (vec![0; dims.len()], dims.clone(), vec![1; dims.len()]);
            if let (Some(stop), Some(step)) = (stop.last_mut(), step.last_mut()) {
                (*stop, *step) = (n.saturating_sub(1) * (n + 1) + usize::from(n > 0), n + 1);
            }
            self = Term { value: flat.op1(make::slice(&start, &stop, &step), at), labels: names };
        }
    }

    /// Summed over what nobody needs.
    fn summed(self, needed: impl Fn(Label) -> bool, at: At) -> Term<'b> {
        let axes: Vec<usize> = (0..self.labels.len()).filter(|&axis| !needed(self.labels[axis])).collect();
        if axes.is_empty() {
            return self;
        }
        let labels = self.labels.iter().copied().filter(|&l| needed(l)).collect();
        Term { value: self.value.op1(make::sum(&axes, false), at), labels }
    }

    /// The product, summed over shared names that are not needed any more; its axes:
    /// shared ones, then those of the left, then those of the right.
    fn times(self, other: Term<'b>, needed: impl Fn(Label) -> bool, at: At) -> Term<'b> {
        let shared = |l: &Label| self.labels.contains(l) && other.labels.contains(l);
        let list = |of: &[Label], keep: &dyn Fn(&Label) -> bool| -> Vec<Label> {
            of.iter().copied().filter(|l| keep(l)).collect()
        };
        let batch = list(&self.labels, &|l| shared(l) && needed(*l));
        let inner = list(&self.labels, &|l| shared(l) && !needed(*l));
        let (left, right) = (list(&self.labels, &|l| !shared(l)), list(&other.labels, &|l| !shared(l)));
        let size =
            |term: &Term<'b>, labels: &[Label]| labels.iter().map(|&l| term.extent(l)).collect::<Vec<_>>();
        let (b, k) = (size(&self, &batch), size(&self, &inner));
        let (m, n) = (size(&self, &left), size(&other, &right));
        let all: Vec<Label> = [batch.as_slice(), &left, &right].concat();
        let whole: Vec<usize> = [b.as_slice(), &m, &n].concat();
        let product = |v: &[usize]| v.iter().product::<usize>();
        let value = if inner.is_empty() {
            let ones = vec![1; n.len()];
            let a = self.ordered(&[batch.as_slice(), &left].concat(), at);
            let a = a.shaped(&[b.as_slice(), &m, &ones].concat(), at);
            let ones = vec![1; m.len()];
            let c = other.ordered(&[batch.as_slice(), &right].concat(), at);
            a.op2(make::mul(), c.shaped(&[b.as_slice(), &ones, &n].concat(), at), at)
        } else {
            let (rows, columns, depth) = (product(&m), product(&n), product(&k));
            let a = self.ordered(&[batch.as_slice(), &left, &inner].concat(), at);
            let c = other.ordered(&[batch.as_slice(), &inner, &right].concat(), at);
            let (op, a_dims, c_dims) = match (left.is_empty(), right.is_empty()) {
                (true, true) if b.is_empty() => (make::dot(), vec![depth], vec![depth]),
                (false, true) if b.is_empty() => (make::matvec(), vec![rows, depth], vec![depth]),
                (true, false) if b.is_empty() => (make::vecmat(), vec![depth], vec![depth, columns]),
                _ => (
                    make::matmul(),
                    [b.as_slice(), &[rows, depth]].concat(),
                    [b.as_slice(), &[depth, columns]].concat(),
                ),
            };
            a.shaped(&a_dims, at).op2(op, c.shaped(&c_dims, at), at)
        };
        let made = Term { value, labels: all.clone() };
        Term { value: made.shaped(&whole, at), labels: all }
    }
}

impl Builder {
    /// A sum of products of these operands by names of axes, one letter each, as NumPy
    /// writes it: `"bij,bjk->bik"`. Without `->` the result has the names that occur
    /// once, in alphabetical order. Factors are multiplied from left to right.
    #[track_caller]
    pub fn einsum<'b>(&'b self, spec: &str, operands: &[Var<'b>]) -> Var<'b> {
        let at = Location::caller();
        if operands.iter().any(|v| v.id().is_none()) {
            return self.nothing();
        }
        let made = parse(spec).and_then(|parsed| {
            let out = output(&parsed)?;
            let terms = checked(spec, &parsed, operands)?;
            Ok((terms, out))
        });
        let (terms, out) = match made {
            Ok(made) => made,
            Err((position, why)) => {
                let error = OpError::Einsum { spec: spec.into(), position, why };
                return self.var(Err(error.into()), at);
            }
        };
        let mut rest = terms.into_iter().map(|term| term.diagonals(at)).collect::<Vec<_>>().into_iter();
        let Some(mut product) = rest.next() else { return self.scalar(1.0) };
        while let Some(next) = rest.next() {
            let later = |l: Label| out.contains(&l) || rest.as_slice().iter().any(|t| t.labels.contains(&l));
            let here = product.labels.clone();
            let left = product.summed(|l| later(l) || next.labels.contains(&l), at);
            let right = next.summed(|l| later(l) || here.contains(&l), at);
            product = left.times(right, later, at);
        }
        product.summed(|l| out.contains(&l), at).ordered(&out, at).value
    }
}

impl<'b> Var<'b> {
    /// Products summed over pairs of axes `contract`, for each entry of the pairs of
    /// axes `batch`; the axes of the result: batch, the other ones of `self`, the other
    /// ones of `other`.
    #[track_caller]
    pub fn dot_general(self, other: Var<'b>, contract: [&[isize]; 2], batch: [&[isize]; 2]) -> Var<'b> {
        let at = Location::caller();
        if self.id.is_none() || other.id.is_none() {
            return Var { id: None, ..self };
        }
        match self.paired(other, contract, batch) {
            Ok((left, right, out)) => {
                let product = left.times(right, |l| out.contains(&l), at);
                product.ordered(&out, at).value
            }
            Err(error) => self.fail(error, at),
        }
    }

    /// Both factors with names for their axes, and the names of the result.
    fn paired(
        self,
        other: Var<'b>,
        contract: [&[isize]; 2],
        batch: [&[isize]; 2],
    ) -> Result<(Term<'b>, Term<'b>, Vec<Label>), OpError> {
        const OP: &str = "dot_general";
        let label = |i: usize| char::from_u32(0xe000 + i as u32).unwrap_or('?');
        let (a, b) = (self.shape(), other.shape());
        let mut left: Vec<Label> = (0..a.rank()).map(label).collect();
        let mut right: Vec<Label> = (0..b.rank()).map(|i| label(a.rank() + i)).collect();
        let mut out = Vec::new();
        let mut named = [vec![false; a.rank()], vec![false; b.rank()]];
        for (pairs, kept) in [(batch, true), (contract, false)] {
            if pairs[0].len() != pairs[1].len() {
                let why = "need as many axes on either side";
                return Err(OpError::Shapes { op: OP, a, b, why });
            }
            for (&i, &j) in pairs[0].iter().zip(pairs[1]) {
                let (i, j) = (self.axes(OP, &[i])?[0], other.axes(OP, &[j])?[0]);
                if std::mem::replace(&mut named[0][i], true) | std::mem::replace(&mut named[1][j], true) {
                    let why = "are given an axis twice";
                    return Err(OpError::Shapes { op: OP, a, b, why });
                }
                if a.dims()[i] != b.dims()[j] {
                    let why = "differ in an axis that is paired";
                    return Err(OpError::Shapes { op: OP, a, b, why });
                }
                right[j] = left[i];
                if kept {
                    out.push(left[i]);
                }
            }
        }
        out.extend((0..a.rank()).filter(|&i| !named[0][i]).map(|i| left[i]));
        out.extend((0..b.rank()).filter(|&j| !named[1][j]).map(|j| right[j]));
        let left = Term { value: self, labels: std::mem::take(&mut left) };
        Ok((left, Term { value: other, labels: right }, out))
    }
}
