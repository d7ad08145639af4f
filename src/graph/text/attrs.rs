//! Reading attributes, by the names and kinds of the op's row.

use super::parse::Parser;
use super::scan::{Result, Scan};
use super::values::{data, dtype, flag, float, int, ty};
use crate::graph::types::ValueType;
use crate::ops::{Attr, AttrKind, Op, Row};

/// An attribute as read.
pub(super) enum Given<'t> {
    Attr(Attr),
    /// Elements without a type of their own wait for that of the result.
    Untyped(Scan<'t>),
}

impl<'t> Parser<'t> {
    /// The attributes in braces, each at its place in the row.
    pub(super) fn attributes(&mut self, row: &'static Row) -> Result<Vec<Given<'t>>> {
        let start = self.scan.here();
        let mut given: Vec<Option<Given<'t>>> = row.attrs.iter().map(|_| None).collect();
        let mut more = self.scan.eat(b'{') && !self.scan.eat(b'}');
        while more {
            let mut place = self.scan;
            let name = self.scan.word("the name of an attribute")?;
            let Some(i) = row.attrs.iter().position(|spec| spec.name == name) else {
                let names: Vec<_> = row.attrs.iter().map(|spec| spec.name).collect();
                let names = if names.is_empty() { "it has none".to_string() } else { names.join(", ") };
                return Err(place.expected(format!("an attribute of {} ({names})", row.name)));
            };
            if given[i].is_some() {
                return Err(self.scan.error(place.here(), format!("attribute {name} is given twice")));
            }
            self.scan.expect(b'=', "`=`")?;
            given[i] = Some(self.attribute(row.attrs[i].kind)?);
            more = self.scan.eat(b',');
            if !more {
                self.scan.expect(b'}', "`,` or `}`")?;
            }
        }
        if let Some(i) = given.iter().position(Option::is_none) {
            let message =
                format!("expected attribute {} of {}, which is missing", row.attrs[i].name, row.name);
            return Err(self.scan.error(start, message));
        }
        Ok(given.into_iter().flatten().collect())
    }

    fn attribute(&mut self, kind: AttrKind) -> Result<Given<'t>> {
        if kind == AttrKind::Graph {
            return self.body().map(Given::Attr);
        }
        let scan = &mut self.scan;
        Ok(Given::Attr(match kind {
            AttrKind::Int => Attr::Int(int(scan)?),
            AttrKind::Float => Attr::Float(float(scan)?),
            AttrKind::Bool => Attr::Bool(flag(scan)?),
            AttrKind::Ints => Attr::Ints(scan.list(int)?.into()),
            AttrKind::DType => Attr::DType(dtype(scan)?),
            AttrKind::Data if scan.peek() == Some(b'[') => {
                let start = *scan;
                scan.skip_list()?;
                return Ok(Given::Untyped(start));
            }
            AttrKind::Custom | AttrKind::Graph => {
                return Err(scan.expected("an attribute that a text can hold"));
            }
            AttrKind::Data => {
                let ty = ty(scan)?;
                data(scan, &ty)?
            }
        }))
    }

    /// The op with its attributes, now that the type of its result is known.
    pub(super) fn op(
        &self,
        row: &'static Row,
        at: usize,
        given: Vec<Given<'t>>,
        result: &ValueType,
    ) -> Result<Op> {
        let mut attrs = Vec::with_capacity(given.len());
        for attr in given {
            attrs.push(match attr {
                Given::Attr(attr) => attr,
                Given::Untyped(mut scan) => data(&mut scan, result)?,
            });
        }
        Op::new(row, attrs).map_err(|error| self.scan.error(at, error.to_string()))
    }
}
