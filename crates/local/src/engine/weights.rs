//! Reading the tensors of a model file.

use std::fs::File;

use candle_core::quantized::QTensor;
use candle_core::{Device, Result, Tensor};

use super::error::LoadProblem;
use super::gguf::ModelFile;
use super::matrix::{Matrix, WeightFormat};

/// Reads tensors of one file through a handle of its own, so that every thread can have one.
pub(crate) struct TensorReader<'a> {
    file: &'a ModelFile,
    handle: File,
    format: WeightFormat,
}

impl<'a> TensorReader<'a> {
    pub(crate) fn new(
        file: &'a ModelFile,
        format: WeightFormat,
    ) -> std::result::Result<Self, LoadProblem> {
        Ok(Self {
            file,
            handle: file.reader()?,
            format,
        })
    }

    /// A tensor of plain numbers, such as a norm's weights.
    pub(crate) fn vector(&mut self, name: &str) -> Result<Tensor> {
        self.read(name)?.dequantize(&Device::Cpu)
    }

    /// One matrix made of the rows of all `names`, in order. Multiplying once by three matrices
    /// stacked is faster than three times by one, and gives the same numbers.
    pub(crate) fn matrix(&mut self, names: &[&str]) -> Result<Matrix> {
        let parts = names.iter().map(|name| self.read(name));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        Matrix::stack(&parts, self.format)
    }

    fn read(&mut self, name: &str) -> Result<QTensor> {
        self.file
            .content()
            .tensor(&mut self.handle, name, &Device::Cpu)
    }
}
