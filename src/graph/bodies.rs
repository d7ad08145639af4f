//! Builders of bodies: a variable of the graph around a body is captured where it
//! is used, as an input of the body.

use crate::graph::builder::{Builder, Var};
use crate::graph::data::Graph;
use crate::graph::error::{GraphError, GraphErrorKind};
use crate::graph::types::{ValueId, ValueType};
use crate::ops::{Literal, make};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::panic::Location;

/// Builders at addresses that stay, so that variables of a body live as long as
/// those around it: bucket `k` holds `2^k` of them.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    buckets: [OnceCell<Box<[OnceCell<Box<Builder>>]>>; 32],
    len: Cell<usize>,
}

impl Bodies {
    /// A new builder, of a body `depth` levels inside a graph; `None` past 2^32 of them.
    fn next(&self, depth: usize) -> Option<&Builder> {
        let n = self.len.get() + 1;
        let bucket = n.ilog2() as usize;
        let room = || (0..1usize << bucket).map(|_| OnceCell::new()).collect();
        let place = self.buckets.get(bucket)?.get_or_init(room).get(n - (1 << bucket))?;
        self.len.set(n);
        let inside = Inside { depth, closed: Cell::new(false), captured: RefCell::default() };
        Some(place.get_or_init(|| Box::new(Builder { inside: Some(inside), ..Builder::default() })))
    }
}

/// What a body takes from around it.
#[derive(Debug)]
pub(super) struct Capture {
    /// Address of the builder that it comes from.
    from: usize,
    outer: ValueId,
    /// A constant that stands for it until the body is done.
    stand_in: ValueId,
    at: &'static Location<'static>,
}

/// What there is more to the builder of a body.
#[derive(Debug)]
pub(super) struct Inside {
    depth: usize,
    closed: Cell<bool>,
    captured: RefCell<(Vec<Capture>, HashMap<(usize, ValueId), ValueId>)>,
}

fn address(builder: &Builder) -> usize {
    std::ptr::from_ref(builder).addr()
}

impl Inside {
    /// The value that stands in `own` for one of this type of another builder.
    fn stand_in(
        &self,
        own: &Builder,
        (from, outer): (usize, ValueId),
        ty: ValueType,
        at: &'static Location<'static>,
    ) -> Result<ValueId, GraphError> {
        let (list, known) = &mut *self.captured.borrow_mut();
        if let Some(&stand_in) = known.get(&(from, outer)) {
            return Ok(stand_in);
        }
        let constant = make::constant(Literal::filled(ty.dtype, ty.shape, 0.0));
        let stand_in = own.graph.borrow_mut().push(constant, &[], Some(at))?[0];
        known.insert((from, outer), stand_in);
        list.push(Capture { from, outer, stand_in, at });
        Ok(stand_in)
    }

    /// The value that stands in `own` for one of another builder.
    pub(super) fn capture(
        &self,
        own: &Builder,
        from: &Builder,
        outer: ValueId,
        at: &'static Location<'static>,
    ) -> Result<ValueId, GraphError> {
        self.stand_in(own, (address(from), outer), from.ty(outer), at)
    }
}

/// A finished body.
pub(super) struct Finished<'b> {
    pub graph: Graph,
    /// What its last inputs stand for.
    pub captured: Vec<Var<'b>>,
}

impl Builder {
    fn depth(&self) -> usize {
        self.inside.as_ref().map_or(0, |inside| inside.depth)
    }

    /// The builder that an operation on these variables belongs to: that of the innermost body.
    pub(super) fn home<'b>(&'b self, operands: &[Var<'b>]) -> &'b Builder {
        let open = |b: &Builder| b.inside.as_ref().is_some_and(|inside| !inside.closed.get());
        operands
            .iter()
            .map(|v| v.builder)
            .fold(self, |home, b| if b.depth() > home.depth() && open(b) { b } else { home })
    }

    /// A builder for a body of an op of this graph.
    pub(super) fn body(&self) -> Option<&Builder> {
        self.bodies.next(self.depth() + 1)
    }

    /// The body with these outputs: its inputs are those that it had, then what it captured.
    /// The first mistake made in it, if there was one.
    pub(super) fn close<'b>(
        &'b self,
        body: &Builder,
        outputs: &[Var<'b>],
        at: &'static Location<'static>,
    ) -> Result<Option<Finished<'b>>, GraphError> {
        let Some(inside) = &body.inside else { return Ok(None) };
        let mut ids = Vec::with_capacity(outputs.len());
        for var in outputs {
            match var.id {
                Some(id) if std::ptr::eq(var.builder, body) => ids.push(id),
                Some(id) => ids.push(inside.capture(body, var.builder, id, at)?),
                None => {}
            }
        }
        inside.closed.set(true);
        if let Some(error) = body.error.borrow_mut().take() {
            return Err(error);
        }
        if ids.len() < outputs.len() {
            return Ok(None);
        }
        let (list, _) = &*inside.captured.borrow();
        let mut captured = Vec::with_capacity(list.len());
        for c in list {
            let id = match (c.from == address(self), &self.inside) {
                (true, _) => c.outer,
                // From further out: this body captures it in turn.
                (false, Some(around)) => {
                    around.stand_in(self, (c.from, c.outer), body.ty(c.stand_in), c.at)?
                }
                (false, None) => {
                    let foreign = GraphErrorKind::ForeignVariable { op: "scan", operand: 0 };
                    return Err(GraphError::from(foreign).at(Some(c.at)));
                }
            };
            captured.push(Var { builder: self, id: Some(id) });
        }
        let drawn = body.graph.borrow();
        let mut graph = Graph::new();
        let mut map: Vec<ValueId> = Vec::with_capacity(drawn.len());
        for v in drawn.input_values() {
            map.push(graph.push_input("", drawn.ty(v).clone())?);
        }
        let mut stand_ins = HashMap::with_capacity(list.len());
        for c in list {
            stand_ins.insert(c.stand_in, graph.push_input("", drawn.ty(c.stand_in).clone())?);
        }
        for node in drawn.nodes() {
            if let Some(&input) = stand_ins.get(&node.result()) {
                map.push(input);
                continue;
            }
            let operands: Vec<ValueId> = node.operands().iter().map(|v| map[v.index()]).collect();
            map.extend(graph.push(node.op.clone(), &operands, node.source())?);
        }
        graph.set_outputs(ids.iter().map(|v| map[v.index()]).collect());
        Ok(Some(Finished { graph, captured }))
    }
}
