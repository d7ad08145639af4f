//! Types of many values, each kept once.

use crate::graph::types::ValueType;
use rustc_hash::FxHashMap;

/// A type of a [`TypeTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TypeId(u32);

impl TypeId {
    /// Position among the types of its table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The types of a graph's values, in the order of their first use. A graph of a
/// million scalars has one or two.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypeTable {
    types: Vec<ValueType>,
    ids: FxHashMap<ValueType, TypeId>,
}

impl TypeTable {
    pub fn len(&self) -> usize {
        self.types.len()
    }

    #[inline]
    pub fn get(&self, id: TypeId) -> &ValueType {
        &self.types[id.index()]
    }

    /// The id of a type. There are no more types than values, so ids do not run out.
    pub fn id(&mut self, ty: &ValueType) -> TypeId {
        if let Some(&id) = self.ids.get(ty) {
            return id;
        }
        let id = TypeId(self.types.len() as u32);
        self.types.push(ty.clone());
        self.ids.insert(ty.clone(), id);
        id
    }
}

impl PartialEq for TypeTable {
    fn eq(&self, other: &TypeTable) -> bool {
        self.types == other.types
    }
}

impl Eq for TypeTable {}
