//! Arguments of many points in every layout, and the same by one call per point.

use super::{Column, Rng, args, args_mut, floats, types, zeros};
use cotangent::{
    Arg, BatchWorkspace, Batched, DType, Forms, Graph, Points, PointsMut, Program, RunError, ValueType,
    Workspace,
};

/// How an argument is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    ByPoint,
    ByElement,
    Shared,
    /// Room between elements and between points.
    Strided,
    /// The same, elements outermost.
    Turned,
}

const LAYOUTS: [Layout; 5] =
    [Layout::ByPoint, Layout::Shared, Layout::Strided, Layout::ByElement, Layout::Turned];

/// Numbers of every kind.
const SPECIAL: [f64; 13] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.5,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MIN_POSITIVE,
    -5e-324,
    1e300,
    800.0,
];

/// Ordinary numbers, special ones among them.
pub fn fill(ty: DType, n: usize, rng: &mut Rng) -> Column {
    let mut number = || match rng.next() % 4 {
        0 => SPECIAL[(rng.next() % 13) as usize],
        _ => rng.real(),
    };
    match ty {
        DType::F64 => Column::F64((0..n).map(|_| number()).collect()),
        DType::F32 => Column::F32((0..n).map(|_| number() as f32).collect()),
        DType::I64 => Column::I64((0..n).map(|_| (rng.next() % 2) as i64).collect()),
        DType::Bool => Column::Bool((0..n).map(|_| rng.next().is_multiple_of(2)).collect()),
    }
}

/// One argument at many points.
#[derive(Clone, Debug)]
pub struct Table {
    ty: ValueType,
    layout: Layout,
    point: usize,
    element: usize,
    pub column: Column,
}

impl Table {
    pub fn new(ty: &ValueType, layout: Layout, n: usize, rng: &mut Rng) -> Table {
        let m = ty.numel();
        let (point, element) = match layout {
            Layout::ByPoint => (m, 1),
            Layout::ByElement => (1, n),
            Layout::Shared => (0, 1),
            Layout::Strided => (2 * m + 3, 2),
            Layout::Turned => (3, 3 * n + 1),
        };
        let len = match layout {
            Layout::ByPoint | Layout::ByElement => n * m,
            Layout::Shared => m,
            _ if n * m == 0 => 0,
            _ => (n - 1) * point + (m - 1) * element + 1,
        };
        Table { ty: ty.clone(), layout, point, element, column: fill(ty.dtype, len, rng) }
    }

    /// Each with another layout than its neighbours.
    pub fn several(types: &[ValueType], n: usize, inputs: bool, rng: &mut Rng) -> Vec<Table> {
        let turn = rng.next() as usize % LAYOUTS.len();
        let layout = |i: usize| match LAYOUTS[(turn + i) % LAYOUTS.len()] {
            Layout::Shared if !inputs => Layout::Turned,
            layout => layout,
        };
        types.iter().enumerate().map(|(i, ty)| Table::new(ty, layout(i), n, rng)).collect()
    }

    fn places(&self, point: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.ty.numel()).map(move |e| point * self.point + e * self.element)
    }

    /// The elements of a point.
    fn get(&self, point: usize) -> Column {
        let at = self.places(point);
        match &self.column {
            Column::F64(v) => Column::F64(at.map(|i| v[i]).collect()),
            Column::F32(v) => Column::F32(at.map(|i| v[i]).collect()),
            Column::I64(v) => Column::I64(at.map(|i| v[i]).collect()),
            Column::Bool(v) => Column::Bool(at.map(|i| v[i]).collect()),
        }
    }

    fn set(&mut self, point: usize, to: &Column) {
        let at: Vec<usize> = self.places(point).collect();
        let at = at.into_iter().enumerate();
        match (&mut self.column, to) {
            (Column::F64(v), Column::F64(x)) => at.for_each(|(k, i)| v[i] = x[k]),
            (Column::F32(v), Column::F32(x)) => at.for_each(|(k, i)| v[i] = x[k]),
            (Column::I64(v), Column::I64(x)) => at.for_each(|(k, i)| v[i] = x[k]),
            (Column::Bool(v), Column::Bool(x)) => at.for_each(|(k, i)| v[i] = x[k]),
            _ => panic!("of another type"),
        }
    }

    pub fn points(&self) -> Points<'_> {
        let data: Arg<'_> = self.column.arg();
        match self.layout {
            Layout::ByPoint => Points::by_point(data),
            Layout::ByElement => Points::by_element(data),
            Layout::Shared => Points::shared(data),
            Layout::Strided | Layout::Turned => Points::strided(data, self.point, self.element),
        }
    }

    pub fn points_mut(&mut self) -> PointsMut<'_> {
        let data = self.column.arg_mut();
        match self.layout {
            Layout::ByPoint => PointsMut::by_point(data),
            Layout::ByElement => PointsMut::by_element(data),
            _ => PointsMut::strided(data, self.point, self.element),
        }
    }
}

/// The arguments of a form: inputs and what follows them, outputs and what follows them.
#[derive(Clone, Debug)]
pub struct Tables {
    pub given: [Vec<Table>; 2],
    pub wanted: [Vec<Table>; 2],
}

impl Tables {
    pub fn random(graph: &Graph, form: Forms, n: usize, rng: &mut Rng) -> Tables {
        let wrt = types(graph, floats(graph, graph.input_values()));
        let outputs = types(graph, graph.outputs().iter().copied());
        let float_outputs = types(graph, floats(graph, graph.outputs().iter().copied()));
        let (more_in, more_out) = match form {
            Forms::VALUE_AND_GRAD => (Vec::new(), wrt),
            Forms::VJP => (float_outputs, wrt),
            Forms::JVP => (wrt, float_outputs),
            _ => (Vec::new(), Vec::new()),
        };
        let inputs = types(graph, graph.input_values());
        Tables {
            given: [inputs, more_in].map(|types| Table::several(&types, n, true, rng)),
            wanted: [outputs, more_out].map(|types| Table::several(&types, n, false, rng)),
        }
    }

    /// Bits of all that was written, and of what lies between.
    pub fn bits(&self) -> Vec<Vec<u64>> {
        self.wanted.iter().flatten().map(|table| table.column.bits()).collect()
    }

    /// By one call for all points.
    pub fn batched(
        &mut self,
        batched: &Batched,
        form: Forms,
        ws: &mut BatchWorkspace,
        n: usize,
    ) -> Result<(), RunError> {
        let [inputs, more_in] =
            self.given.each_ref().map(|t| t.iter().map(Table::points).collect::<Vec<_>>());
        let [mut outputs, mut more_out] =
            self.wanted.each_mut().map(|t| t.iter_mut().map(Table::points_mut).collect::<Vec<_>>());
        match form {
            Forms::VALUE_AND_GRAD => {
                batched.value_and_grad(ws, n, &inputs, outputs.pop().unwrap(), &mut more_out)
            }
            Forms::VJP => batched.value_and_vjp(ws, n, &inputs, &more_in, &mut outputs, &mut more_out),
            Forms::JVP => batched.jvp(ws, n, &inputs, &more_in, &mut outputs, &mut more_out),
            _ => batched.forward(ws, n, &inputs, &mut outputs),
        }
    }

    /// By one call for each point.
    pub fn one_by_one(
        &mut self,
        program: &Program,
        form: Forms,
        ws: &mut Workspace,
        n: usize,
    ) -> Result<(), RunError> {
        for p in 0..n {
            let [inputs, more_in] =
                self.given.each_ref().map(|tables| tables.iter().map(|t| t.get(p)).collect::<Vec<_>>());
            let types = |tables: &Vec<Table>| tables.iter().map(|t| t.ty.clone()).collect::<Vec<_>>();
            let [mut outputs, mut more_out] = self.wanted.each_ref().map(|tables| zeros(&types(tables)));
            let (given, more) = (args(&inputs), args(&more_in));
            match form {
                Forms::VALUE_AND_GRAD => {
                    let value = program.value_and_grad(ws, &given, &mut args_mut(&mut more_out))?;
                    match &mut outputs[0] {
                        Column::F32(v) => v[0] = value as f32,
                        Column::F64(v) => v[0] = value,
                        _ => panic!("a value that is no number"),
                    }
                }
                Forms::VJP => program.value_and_vjp(
                    ws,
                    &given,
                    &more,
                    &mut args_mut(&mut outputs),
                    &mut args_mut(&mut more_out),
                )?,
                Forms::JVP => program.jvp(
                    ws,
                    &given,
                    &more,
                    &mut args_mut(&mut outputs),
                    &mut args_mut(&mut more_out),
                )?,
                _ => program.forward(ws, &given, &mut args_mut(&mut outputs))?,
            }
            for (tables, columns) in self.wanted.iter_mut().zip([outputs, more_out]) {
                tables.iter_mut().zip(&columns).for_each(|(table, column)| table.set(p, column));
            }
        }
        Ok(())
    }
}
