//! The text form of graphs: printed by `Display`, read back by [`Graph::parse`].
//!
//! One statement per line, `#` starts a comment:
//!
//! ```text
//! cotangent graph v1
//! input %0 "w": f64[3]
//! %1 = const {data=[1.5, -0, inf]}: f64[3]
//! %2 = mul %0 %1: f64[3]
//! %3 = sum %2 {axes=[0], keepdims=false}: f64[]
//! output %3
//! ```
//!
//! Ids count up from `%0`, inputs first, and a statement uses only smaller ids.
//! The types after the colon are checked against the inferred ones. Attributes
//! come from the op's row; a row without any has no braces. The `output` line
//! is required, also where there is no output, so that a text cut short is
//! noticed.
//!
//! A graph that an op holds stands above the inputs, between `body @0` and `end`, and
//! the op names it. Bodies count up from `@0` and hold only those above them:
//!
//! ```text
//! cotangent graph v1
//! body @0
//! input %0 "": f64[]
//! input %1 "": f64[]
//! %2 = add %0 %1: f64[]
//! output %2
//! end
//! input %0 "x": f64[5]
//! %1 = const {data=[0]}: f64[]
//! %2 = scan %1 %0 {body=@0, steps=5, carries=1, slices=1, backwards=false}: f64[]
//! output %2
//! ```
//!
//! Custom ops stand in the text by name only, their rules with `_vjp` or `_jvp`
//! behind it; a comment says so. They are given to [`Graph::parse_with`].
//!
//! Floats are the shortest decimals that read back to the same bits, or `inf`,
//! `-inf`, `nan`, or `nan:0x` and all bits for other NaNs. One element of a
//! constant fills its shape. Elements are of the type of the (first) result;
//! where they are not, their type stands before them: `data=i64[2] [1, 2]`.

mod attrs;
mod float;
mod nearest;
mod parse;
mod print;
mod scan;
mod values;

use crate::graph::data::Graph;
use crate::graph::error::GraphError;
use crate::ops::CustomOp;
use std::str::FromStr;

/// The first line, with the version of the form.
const HEADER: [&str; 3] = ["cotangent", "graph", "v1"];

/// Axes that a shape of a text may have, as in NumPy 2. Shape rules may take
/// time quadratic in the rank, and a parser should not.
const MAX_AXES: usize = 64;

impl Graph {
    /// Reads the text form that `Display` prints. Takes time linear in the text.
    ///
    /// ```
    /// use cotangent::Graph;
    ///
    /// let text = "cotangent graph v1\ninput %0 \"x\": f64[2]\n%1 = neg %0: f64[2]\noutput %1\n";
    /// let graph = Graph::parse(text)?;
    /// assert_eq!(graph.to_string(), text);
    ///
    /// let error = Graph::parse(&text.replace("neg", "nge")).unwrap_err();
    /// assert_eq!(error.to_string(), "line 3, column 6: unknown op `nge`, did you mean `neg`?");
    /// # Ok::<(), cotangent::GraphError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GraphErrorKind::Parse`](crate::graph::GraphErrorKind::Parse) with the
    /// line, the column (both from 1, in characters) and what was expected.
    pub fn parse(text: &str) -> Result<Graph, GraphError> {
        parse::parse(text, &[])
    }

    /// Reads the text form of a graph with custom ops, which stand in the text by
    /// name only: neither the graphs nor the callbacks they are made of.
    ///
    /// # Errors
    ///
    /// As [`Graph::parse`]; a custom op that is not given.
    pub fn parse_with(text: &str, ops: &[CustomOp]) -> Result<Graph, GraphError> {
        parse::parse(text, ops)
    }
}

impl FromStr for Graph {
    type Err = GraphError;

    fn from_str(text: &str) -> Result<Graph, GraphError> {
        Graph::parse(text)
    }
}
