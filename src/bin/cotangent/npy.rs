//! NumPy's .npy files, versions 1 to 3 of the format (NEP 1): a magic number, a
//! header that is a Python literal, and the elements.

use cotangent::tape::{Data, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Elements as they stand in a file.
#[derive(Debug, PartialEq)]
pub enum Column {
    Floats(Vec<f64>),
    Integers(Vec<i64>),
    Bools(Vec<bool>),
}

/// A file: its shape and its elements, row-major.
#[derive(Debug, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub column: Column,
}

/// Words of `N` bytes.
pub fn words<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    data.chunks_exact(N).map(|chunk| std::array::from_fn(|i| chunk[i]))
}

/// The value of a key of the header: `'key': value`.
fn field<'h>(header: &'h str, key: &str) -> Result<&'h str, String> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let at = quoted.iter().find_map(|q| header.find(q.as_str()).map(|at| at + q.len()));
    let rest =
        at.and_then(|at| header.get(at..)).map(str::trim_start).and_then(|rest| rest.strip_prefix(':'));
    rest.map(str::trim_start).ok_or_else(|| format!("its header has no {key}"))
}

/// Reads a file.
pub fn read(bytes: &[u8]) -> Result<Array, String> {
    let cut = || "it is cut short".to_string();
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is not a .npy file")?;
    let (&major, rest) = rest.split_first().ok_or_else(cut)?;
    let rest = rest.get(1..).ok_or_else(cut)?;
    // The length of the header has two bytes in version 1, four in later ones.
    let (length, rest) = match major {
        1 => (rest.get(..2).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]]))), rest.get(2..)),
        2 | 3 => {
            (rest.get(..4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize), rest.get(4..))
        }
        _ => return Err(format!("version {major} of the format is not known")),
    };
    let (length, rest) = (length.ok_or_else(cut)?, rest.ok_or_else(cut)?);
    let header = rest.get(..length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text")?;
    let data = rest.get(length..).unwrap_or_default();
    let inside = field(header, "shape")?.strip_prefix('(').and_then(|rest| rest.split(')').next());
    let extents =
        inside.ok_or("its shape is no tuple")?.split(',').map(str::trim).filter(|word| !word.is_empty());
    let shape: Result<Vec<usize>, _> = extents.map(str::parse).collect();
    let shape = shape.map_err(|_| "its shape is not made of numbers")?;
    if field(header, "fortran_order")?.starts_with("True") && shape.len() > 1 {
        return Err("it is in Fortran order (save numpy.ascontiguousarray(x))".into());
    }
    let descr = field(header, "descr")?;
    let kind = descr.get(1..).and_then(|rest| rest.split(['\'', '"']).next()).unwrap_or_default();
    let (size, read): (usize, fn(&[u8]) -> Column) = match kind {
        "<f8" => (8, |d| Column::Floats(words(d).map(f64::from_le_bytes).collect())),
        "<f4" => (4, |d| Column::Floats(words(d).map(|w| f64::from(f32::from_le_bytes(w))).collect())),
        "<i8" => (8, |d| Column::Integers(words(d).map(i64::from_le_bytes).collect())),
        "<i4" => (4, |d| Column::Integers(words(d).map(|w| i64::from(i32::from_le_bytes(w))).collect())),
        "|b1" => (1, |d| Column::Bools(d.iter().map(|&b| b != 0).collect())),
        other => return Err(format!("its elements are {other} (expected <f8, <f4, <i8, <i4 or |b1)")),
    };
    let numel = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if numel.and_then(|n| n.checked_mul(size)) != Some(data.len()) {
        return Err(format!("{} bytes do not fill shape {shape:?}", data.len()));
    }
    Ok(Array { shape, column: read(data) })
}

/// The file of a tensor, in version 1.
pub fn write(tensor: &Tensor) -> Vec<u8> {
    let (kind, data): (&str, Vec<u8>) = match tensor.data() {
        Data::F64(v) => ("<f8", v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::F32(v) => ("<f4", v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::I64(v) => ("<i8", v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::Bool(v) => ("|b1", v.iter().map(|&x| u8::from(x)).collect()),
    };
    let extents: String = tensor.ty().shape.dims().iter().map(|d| format!("{d}, ")).collect();
    let mut header =
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}), }}", extents.trim_end());
    // Elements start at a multiple of 64 bytes, after a line end.
    let before = MAGIC.len() + 4;
    let padded = (before + header.len() + 1).next_multiple_of(64) - before;
    header += &" ".repeat(padded - header.len() - 1);
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}
