//! Case files: one JSON object per line, floats as bits in hex.

use flate2::read::GzDecoder;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

pub type Failure = Box<dyn std::error::Error>;

#[derive(Clone, Debug)]
pub enum Data {
    F64(Vec<f64>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
}

#[derive(Clone, Debug)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Data,
}

impl Array {
    pub fn floats(&self) -> &[f64] {
        match &self.data {
            Data::F64(v) => v,
            _ => &[],
        }
    }
}

#[derive(Clone)]
pub struct Input {
    pub name: String,
    pub array: Array,
    pub differentiable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Expected numbers are correctly rounded.
    Smooth,
    /// A tie or a boundary: expected numbers are another project's convention.
    Kink,
    /// NaN, infinities, zeros, subnormals: likewise.
    Special,
}

/// Values and derivatives of one case, by output or by input.
#[derive(Clone, Default)]
pub struct Expected {
    pub outputs: Option<Vec<Option<Array>>>,
    pub vjp: Option<Vec<Option<Array>>>,
    pub jvp: Option<Vec<Option<Array>>>,
    pub hvp: Option<Vec<Option<Array>>>,
}

#[derive(Clone)]
pub struct Case {
    pub id: String,
    pub op: String,
    pub kind: Kind,
    pub tags: Vec<String>,
    pub attrs: Value,
    pub inputs: Vec<Input>,
    pub cotangent: Vec<Array>,
    pub tangent: Vec<Option<Array>>,
    pub expected: Expected,
    /// A second convention, where two frameworks disagree.
    pub other: Expected,
}

impl Case {
    pub fn is(&self, tag: &str) -> bool {
        self.tags.iter().any(|t| t == tag)
    }

    pub fn axes(&self, name: &str) -> Vec<isize> {
        self.list(name).iter().map(|&i| i as isize).collect()
    }

    pub fn sizes(&self, name: &str) -> Vec<usize> {
        self.list(name).iter().map(|&i| i as usize).collect()
    }

    fn list(&self, name: &str) -> Vec<i64> {
        match &self.attrs[name] {
            Value::Array(v) => v.iter().filter_map(Value::as_i64).collect(),
            one => one.as_i64().into_iter().collect(),
        }
    }

    pub fn axis(&self) -> isize {
        self.attrs["axis"].as_i64().unwrap_or(0) as isize
    }

    pub fn flag(&self, name: &str) -> bool {
        self.attrs[name].as_bool().unwrap_or(false)
    }

    pub fn int(&self, name: &str) -> Result<i64, Failure> {
        self.attrs[name].as_i64().ok_or_else(|| format!("{}: no integer {name}", self.id).into())
    }

    pub fn float(&self, name: &str) -> Result<f64, Failure> {
        let text = self.attrs[name].as_str().ok_or_else(|| format!("{}: no float {name}", self.id))?;
        bits(text.trim_start_matches("0x"))
    }
}

fn bits(hex: &str) -> Result<f64, Failure> {
    Ok(f64::from_bits(u64::from_str_radix(hex, 16)?))
}

fn array(v: &Value) -> Result<Array, Failure> {
    let shape = v["shape"].as_array().ok_or("no shape")?;
    let shape = shape.iter().map(|d| d.as_u64().unwrap_or(0) as usize).collect();
    let ints = || v["data"].as_array().ok_or("no data");
    let data = match v["dtype"].as_str().unwrap_or("f64") {
        "i64" => Data::I64(ints()?.iter().map(|i| i.as_i64().ok_or("no integer")).collect::<Result<_, _>>()?),
        "bool" => {
            Data::Bool(ints()?.iter().map(|i| i.as_i64() == Some(1) || i.as_bool() == Some(true)).collect())
        }
        _ => {
            let hex = v["hex"].as_str().ok_or("no hex")?;
            let parts = hex.as_bytes().chunks(16).map(|c| bits(std::str::from_utf8(c)?));
            Data::F64(parts.collect::<Result<_, _>>()?)
        }
    };
    Ok(Array { shape, data })
}

fn arrays(v: &Value) -> Result<Option<Vec<Option<Array>>>, Failure> {
    let Some(list) = v.as_array() else { return Ok(None) };
    let each = |v: &Value| if v.is_null() { Ok(None) } else { array(v).map(Some) };
    Ok(Some(list.iter().map(each).collect::<Result<_, Failure>>()?))
}

fn expected(v: &Value) -> Result<Expected, Failure> {
    Ok(Expected {
        outputs: arrays(&v["outputs"])?,
        vjp: arrays(&v["vjp"])?,
        jvp: arrays(&v["jvp"])?,
        hvp: arrays(&v["hvp"])?,
    })
}

fn case(v: &Value) -> Result<Case, Failure> {
    let text = |name: &str| v[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name}"));
    let list = |name: &str| v[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let input = |v: &Value| {
        Ok(Input {
            name: v["name"].as_str().unwrap_or_default().to_owned(),
            array: array(v)?,
            differentiable: v["diff"].as_bool().unwrap_or(false),
        })
    };
    Ok(Case {
        id: text("id")?,
        op: text("op")?,
        kind: match text("kind")?.as_str() {
            "smooth" => Kind::Smooth,
            "kink" => Kind::Kink,
            "special" => Kind::Special,
            other => return Err(format!("unknown kind {other}").into()),
        },
        tags: list("tags").iter().filter_map(|t| t.as_str().map(str::to_owned)).collect(),
        attrs: v["attrs"].clone(),
        inputs: list("inputs").iter().map(input).collect::<Result<_, Failure>>()?,
        cotangent: list("cotangent").iter().map(array).collect::<Result<_, _>>()?,
        tangent: arrays(&v["tangent"])?.unwrap_or_default(),
        expected: expected(v)?,
        other: expected(&v["alt"])?,
    })
}

/// All cases of a gzip file whose first line names the schema.
pub fn read(path: &Path) -> Result<Vec<Case>, Failure> {
    let file = File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut lines = BufReader::new(GzDecoder::new(file)).lines();
    let header: Value = serde_json::from_str(&lines.next().ok_or("an empty file")??)?;
    if header["schema"] != "ad-oracle/1" {
        return Err(format!("{}: unknown schema {}", path.display(), header["schema"]).into());
    }
    let mut cases = Vec::new();
    for (i, line) in lines.enumerate() {
        let parsed = serde_json::from_str(&line?).map_err(Failure::from).and_then(|v| case(&v));
        cases.push(parsed.map_err(|e| format!("{} line {}: {e}", path.display(), i + 2))?);
    }
    Ok(cases)
}
