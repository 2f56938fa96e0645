//! A GGUF file, checked before anything is made of it.
//!
//! Source: the GGUF specification, github.com/ggml-org/ggml/blob/master/docs/gguf.md.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{Content, Value};

use super::error::LoadProblem;

/// An open model file: its metadata and where its tensors lie.
pub(crate) struct ModelFile {
    path: PathBuf,
    content: Content,
}

impl ModelFile {
    /// Reads the header and checks that the file is whole and holds a llama.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadProblem> {
        let file = File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => LoadProblem::Missing,
            _ => LoadProblem::Open(error),
        })?;
        let file_bytes = file.metadata().map_err(LoadProblem::Open)?.len();
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut magic = [0; 4];
        if reader.read_exact(&mut magic).is_err() || magic != *b"GGUF" {
            return Err(LoadProblem::NotGguf);
        }
        reader.rewind().map_err(LoadProblem::Open)?;
        let content = Content::read(&mut reader).map_err(LoadProblem::Header)?;
        let file = Self {
            path: path.to_owned(),
            content,
        };
        let architecture = file.text("general.architecture")?;
        if architecture != "llama" {
            return Err(LoadProblem::Architecture(architecture.to_owned()));
        }
        file.check_length(file_bytes)?;
        Ok(file)
    }

    /// A second handle on the file, so that threads can read tensors at the same time.
    pub(crate) fn reader(&self) -> Result<File, LoadProblem> {
        File::open(&self.path).map_err(LoadProblem::Open)
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    pub(crate) fn has_tensor(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    pub(crate) fn text(&self, key: &str) -> Result<&str, LoadProblem> {
        match self.value(key)? {
            Value::String(text) => Ok(text),
            _ => Err(wrong(key, "not a text")),
        }
    }

    /// A whole number of any width.
    pub(crate) fn count(&self, key: &str) -> Result<usize, LoadProblem> {
        let number = match self.value(key)? {
            Value::U8(number) => u64::from(*number),
            Value::U16(number) => u64::from(*number),
            Value::U32(number) => u64::from(*number),
            Value::U64(number) => *number,
            Value::I8(number) => u64::try_from(*number).unwrap_or(u64::MAX),
            Value::I16(number) => u64::try_from(*number).unwrap_or(u64::MAX),
            Value::I32(number) => u64::try_from(*number).unwrap_or(u64::MAX),
            Value::I64(number) => u64::try_from(*number).unwrap_or(u64::MAX),
            _ => return Err(wrong(key, "not a whole number")),
        };
        // Nothing that is counted here comes near this; more means damage.
        u32::try_from(number)
            .map(|number| number as usize)
            .map_err(|_| wrong(key, "out of range"))
    }

    pub(crate) fn decimal(&self, key: &str) -> Result<f32, LoadProblem> {
        match self.value(key)? {
            Value::F32(number) => Ok(*number),
            Value::F64(number) => Ok(*number as f32),
            _ => Err(wrong(key, "not a number")),
        }
    }

    pub(crate) fn list(&self, key: &str) -> Result<&[Value], LoadProblem> {
        match self.value(key)? {
            Value::Array(values) => Ok(values),
            _ => Err(wrong(key, "not a list")),
        }
    }

    /// `read(key)`, or nothing if the entry does not exist.
    pub(crate) fn optional<'a, T>(
        &'a self,
        key: &'a str,
        read: impl Fn(&'a Self, &'a str) -> Result<T, LoadProblem>,
    ) -> Result<Option<T>, LoadProblem> {
        if self.content.metadata.contains_key(key) {
            read(self, key).map(Some)
        } else {
            Ok(None)
        }
    }

    fn value(&self, key: &str) -> Result<&Value, LoadProblem> {
        self.content
            .metadata
            .get(key)
            .ok_or_else(|| wrong(key, "missing"))
    }

    fn check_length(&self, actual_bytes: u64) -> Result<(), LoadProblem> {
        let end_of = |info: &candle_core::quantized::gguf_file::TensorInfo| {
            let blocks = info.shape.elem_count() / info.ggml_dtype.block_size();
            let bytes = (blocks * info.ggml_dtype.type_size()) as u64;
            self.content.tensor_data_offset + info.offset + bytes
        };
        let expected_bytes = self.content.tensor_infos.values().map(end_of).max();
        match expected_bytes {
            Some(expected_bytes) if expected_bytes > actual_bytes => Err(LoadProblem::Truncated {
                expected_bytes,
                actual_bytes,
            }),
            _ => Ok(()),
        }
    }
}

fn wrong(key: &str, problem: &'static str) -> LoadProblem {
    LoadProblem::Metadata {
        key: key.to_owned(),
        problem,
    }
}
