//! Inputs of the workloads: raw little-endian numbers under a name.

use super::Failure;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where inputs come from.
#[allow(dead_code, reason = "the example reads files, the benchmark makes its numbers")]
pub enum Data {
    /// `<name>.bin` in a directory.
    Files(PathBuf),
    /// Bytes made by the program.
    Made(BTreeMap<String, Vec<u8>>),
}

/// An error of the file system, with the file's name.
pub fn in_file(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

macro_rules! loaders {
    ($($name:ident $t:ty),*) => {
        $(
            /// The numbers under a name.
            pub fn $name(&self, name: &str) -> Result<Vec<$t>, Failure> {
                let bytes = self.bytes(name)?;
                let (numbers, rest) = bytes.as_chunks();
                if !rest.is_empty() {
                    return Err(format!("{name}: not a whole number of elements").into());
                }
                Ok(numbers.iter().map(|&b| <$t>::from_le_bytes(b)).collect())
            }
        )*
    };
}

impl Data {
    loaders!(f64s f64, f32s f32, i32s i32);

    fn file(folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}.bin"))
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, Failure> {
        match self {
            Data::Files(folder) => {
                let path = Data::file(folder, name);
                Ok(std::fs::read(&path).map_err(in_file(&path))?)
            }
            Data::Made(all) => Ok(all.get(name).ok_or_else(|| format!("no data named {name}"))?.clone()),
        }
    }

    /// Whether there is something under a name.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Data::Files(folder) => Data::file(folder, name).is_file(),
            Data::Made(all) => all.contains_key(name),
        }
    }

    /// The names that start with `prefix`, sorted by length and name, which puts
    /// numbers in order.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        match self {
            Data::Files(folder) => {
                for entry in std::fs::read_dir(folder).map_err(in_file(folder))? {
                    let file = entry?.file_name();
                    names.extend(file.to_str().and_then(|f| f.strip_suffix(".bin")).map(str::to_owned));
                }
            }
            Data::Made(all) => names.extend(all.keys().cloned()),
        }
        names.retain(|n| n.starts_with(prefix));
        names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        Ok(names)
    }
}
