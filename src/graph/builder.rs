//! Authoring: a builder with `Copy` variables.

use crate::graph::bodies::{Bodies, Inside};
use crate::graph::data::Graph;
use crate::graph::error::{GraphError, GraphErrorKind};
use crate::graph::types::{DType, NodeId, Shape, ValueId, ValueType};
use crate::ops::{CustomOp, Elements, Literal, Op, OpError, Results, make};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;

/// Records a graph. Nothing panics: the first mistake is kept and
/// returned by [`Builder::finish`], with the line of the program that made it.
#[derive(Debug, Default)]
pub struct Builder {
    pub(super) graph: RefCell<Graph>,
    pub(super) error: RefCell<Option<GraphError>>,
    pub(super) nodes: Cell<usize>,
    pub(super) bodies: Bodies,
    /// What there is more to the builder of a body.
    pub(super) inside: Option<Inside>,
}

/// A value while a graph is being authored. `Copy`: operators work without clones.
#[derive(Clone, Copy)]
pub struct Var<'b> {
    pub(super) builder: &'b Builder,
    /// `None` after an authoring error; operations on it are ignored.
    pub(super) id: Option<ValueId>,
}

impl fmt::Debug for Var<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "Var({id}: {})", self.builder.graph.borrow().ty(id)),
            None => f.write_str("Var(after an error)"),
        }
    }
}

/// Elements that a constant can be made from.
pub trait IntoElements {
    /// The elements, with their type.
    fn into_elements(self) -> Elements;
}

macro_rules! into_elements {
    ($($t:ty => $variant:ident),*) => {
        $(
            impl IntoElements for Vec<$t> {
                fn into_elements(self) -> Elements {
                    Elements::$variant(self)
                }
            }
            impl IntoElements for &[$t] {
                fn into_elements(self) -> Elements {
                    Elements::$variant(self.to_vec())
                }
            }
            impl<const N: usize> IntoElements for [$t; N] {
                fn into_elements(self) -> Elements {
                    Elements::$variant(self.to_vec())
                }
            }
            impl<const N: usize> IntoElements for &[$t; N] {
                fn into_elements(self) -> Elements {
                    Elements::$variant(self.to_vec())
                }
            }
            impl IntoElements for &Vec<$t> {
                fn into_elements(self) -> Elements {
                    Elements::$variant(self.clone())
                }
            }
        )*
    };
}
into_elements!(f64 => F64, f32 => F32, i64 => I64, bool => Bool);

impl Builder {
    /// An empty graph to author.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Declares an input. Inputs come before the first operation.
    #[track_caller]
    pub fn input(&self, name: &str, dtype: DType, shape: impl Into<Shape>) -> Var<'_> {
        let at = Location::caller();
        let mut graph = self.graph.borrow_mut();
        let result = if self.inside.is_some() {
            Err(GraphErrorKind::OfBody { what: "input" }.into())
        } else if self.nodes.get() > 0 {
            Err(GraphErrorKind::LateInput { name: name.into() }.into())
        } else if !name.is_empty() && graph.inputs().iter().any(|i| &*i.name == name) {
            Err(GraphErrorKind::DuplicateInput { name: name.into() }.into())
        } else {
            graph.push_input(name, ValueType::new(dtype, shape)).map_err(GraphError::from)
        };
        drop(graph);
        self.var(result, at)
    }

    /// A constant vector, or a constant of any shape by [`Builder::constant_of`].
    #[track_caller]
    pub fn constant(&self, elements: impl IntoElements) -> Var<'_> {
        let elements = elements.into_elements();
        let shape = [elements.len()];
        self.literal(Shape::from(shape), elements, Location::caller())
    }

    /// A constant of a shape, elements row-major (or one element, which fills it).
    #[track_caller]
    pub fn constant_of(&self, shape: impl Into<Shape>, elements: impl IntoElements) -> Var<'_> {
        self.literal(shape.into(), elements.into_elements(), Location::caller())
    }

    /// A scalar constant in f64.
    #[track_caller]
    pub fn scalar(&self, value: f64) -> Var<'_> {
        self.literal(Shape::scalar(), Elements::F64(vec![value]), Location::caller())
    }

    /// A tensor filled with one number of a given element type.
    #[track_caller]
    pub fn full(&self, dtype: DType, shape: impl Into<Shape>, value: f64) -> Var<'_> {
        self.apply_at(make::constant(Literal::filled(dtype, shape, value)), &[], Location::caller())
    }

    fn literal(&self, shape: Shape, elements: Elements, at: &'static Location<'static>) -> Var<'_> {
        let (ty, got) = (ValueType::new(elements.dtype(), shape), elements.len());
        match Literal::new(ty.shape.clone(), elements) {
            Some(literal) => self.apply_at(make::constant(literal), &[], at),
            None if ty.checked_bytes().is_none() => {
                self.var(Err(OpError::TooLarge { op: "constant", ty }.into()), at)
            }
            None => self.var(Err(GraphErrorKind::ConstantLength { ty, got }.into()), at),
        }
    }

    /// Applies any op of the table, or one of the user's own
    /// ([`CustomOp`](crate::CustomOp)); the first result.
    #[track_caller]
    pub fn apply<'b>(&'b self, op: impl Into<Op>, operands: &[Var<'b>]) -> Var<'b> {
        self.apply_at(op.into(), operands, Location::caller())
    }

    /// Applies an op of the user's own; all results.
    #[track_caller]
    pub fn apply_custom<'b>(&'b self, op: &CustomOp, operands: &[Var<'b>]) -> Vec<Var<'b>> {
        self.apply_many(op.op(), operands, op.results().len(), Location::caller())
    }

    pub(super) fn apply_at<'b>(
        &'b self,
        op: Op,
        operands: &[Var<'b>],
        at: &'static Location<'static>,
    ) -> Var<'b> {
        let home = self.home(operands);
        match home.record(op, operands, at) {
            Ok(Some(results)) => home.var(results.first().copied().ok_or_else(no_result), at),
            Ok(None) => home.nothing(),
            Err(error) => home.var(Err(error), at),
        }
    }

    /// Applies an op with several results.
    pub(super) fn apply_many<'b>(
        &'b self,
        op: Op,
        operands: &[Var<'b>],
        count: usize,
        at: &'static Location<'static>,
    ) -> Vec<Var<'b>> {
        let home = self.home(operands);
        match home.record(op, operands, at) {
            Ok(Some(results)) => results.iter().map(|&id| Var { builder: home, id: Some(id) }).collect(),
            Ok(None) => vec![home.nothing(); count],
            Err(error) => {
                home.var(Err(error), at);
                vec![home.nothing(); count]
            }
        }
    }

    /// `Ok(None)` where an operand comes from an earlier mistake.
    fn record(
        &self,
        op: Op,
        operands: &[Var<'_>],
        at: &'static Location<'static>,
    ) -> Result<Option<Results>, GraphError> {
        let name = op.name();
        let mut ids = smallvec::SmallVec::<[ValueId; 4]>::new();
        for (i, var) in operands.iter().enumerate() {
            match (var.id, &self.inside) {
                (Some(id), _) if std::ptr::eq(var.builder, self) => ids.push(id),
                (Some(id), Some(inside)) => ids.push(inside.capture(self, var.builder, id, at)?),
                (None, Some(_)) => return Ok(None),
                (None, None) if std::ptr::eq(var.builder, self) => return Ok(None),
                _ => return Err(GraphErrorKind::ForeignVariable { op: name, operand: i }.into()),
            }
        }
        let mut graph = self.graph.borrow_mut();
        self.nodes.set(self.nodes.get() + 1);
        let node = NodeId::new(graph.nodes().len() as u32);
        match graph.push(op, &ids, Some(at)) {
            Ok(results) => Ok(Some(results)),
            Err(error) => {
                let operands =
                    ids.iter().map(|&v| format!("{}: {}", graph.describe(v), graph.ty(v))).collect();
                Err(GraphError::from(error).on(node).with_operands(operands))
            }
        }
    }

    /// A variable, or the first error kept and a variable that stands for nothing.
    pub(super) fn var(&self, id: Result<ValueId, GraphError>, at: &'static Location<'static>) -> Var<'_> {
        match id {
            Ok(id) => Var { builder: self, id: Some(id) },
            Err(error) => {
                self.error.borrow_mut().get_or_insert_with(|| error.at(Some(at)));
                Var { builder: self, id: None }
            }
        }
    }

    /// What stands for the result of an op on an earlier mistake.
    pub(super) fn nothing(&self) -> Var<'_> {
        Var { builder: self, id: None }
    }

    /// A value as errors name it: with its type.
    pub(super) fn describe(&self, id: ValueId) -> String {
        let graph = self.graph.borrow();
        format!("{}: {}", graph.describe(id), graph.ty(id))
    }

    pub(super) fn ty(&self, id: ValueId) -> ValueType {
        self.graph.borrow().ty(id).clone()
    }

    /// The graph with these outputs, or the first mistake made in authoring it.
    #[track_caller]
    pub fn finish(self: &Builder, outputs: &[Var<'_>]) -> Result<Graph, GraphError> {
        let at = Location::caller();
        if self.inside.is_some() {
            self.var(Err(GraphErrorKind::OfBody { what: "finish" }.into()), at);
        }
        let mut ids = Vec::with_capacity(outputs.len());
        for (i, var) in outputs.iter().enumerate() {
            if !std::ptr::eq(var.builder, self) {
                let kind = GraphErrorKind::ForeignVariable { op: "finish", operand: i };
                self.var(Err(kind.into()), at);
            }
            ids.extend(var.id);
        }
        if let Some(error) = self.error.borrow().as_ref() {
            return Err(error.clone());
        }
        let mut graph = self.graph.borrow().clone();
        graph.set_outputs(ids);
        Ok(graph)
    }
}

fn no_result() -> GraphError {
    GraphErrorKind::NoOutputNode.into()
}
