//! Reading tensors and bringing them into a format that this CPU multiplies well.
//!
//! Files come in many quantisations, and candle has fast kernels for few of them; its kernel for
//! Q4_1, the format of the small built-in model, also damages the answers ("The capital of
//! France is L'Étoile"). So every matrix is turned into plain numbers first, which is exact,
//! and then kept either as Q8_0 (eight bits, with AVX2 and NEON kernels) or as it is.

use std::fs::File;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{Device, Result, Tensor};

use super::error::LoadProblem;
use super::gguf::ModelFile;

/// How weights are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum WeightFormat {
    /// Eight bits each in blocks of 32: a quarter of the memory, and the faster of the two.
    #[default]
    #[value(name = "q8_0")]
    Q8_0,
    /// 32-bit floating point: exactly what the file says.
    #[value(name = "f32")]
    F32,
}

impl WeightFormat {
    /// The name used on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Q8_0 => "q8_0",
            Self::F32 => "f32",
        }
    }
}

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
    pub(crate) fn matrix(&mut self, names: &[&str]) -> Result<QMatMul> {
        let mut parts = names
            .iter()
            .map(|name| self.read(name))
            .collect::<Result<Vec<_>>>()?;
        let wanted = self.format == WeightFormat::Q8_0;
        if let [part] = parts.as_slice()
            && wanted
            && part.dtype() == GgmlDType::Q8_0
        {
            return Ok(QMatMul::QTensor(Arc::new(parts.remove(0))));
        }
        let parts = parts
            .iter()
            .map(|part| part.dequantize(&Device::Cpu))
            .collect::<Result<Vec<_>>>()?;
        let whole = Tensor::cat(&parts, 0)?;
        let fits = whole.dim(1)? % GgmlDType::Q8_0.block_size() == 0;
        let exp = std::env::var("EXP").unwrap_or_default();
        let tag = names.last().unwrap();
        for item in exp.split(',').filter(|i| !i.is_empty()) {
            let (part, ty) = item.split_once('=').unwrap();
            if tag.contains(part) {
                match ty {
                    "f32" => return Ok(QMatMul::Tensor(whole)),
                    "f16" => return Ok(QMatMul::QTensor(Arc::new(QTensor::quantize(&whole, GgmlDType::F16)?))),
                    "bf16" => return Ok(QMatMul::QTensor(Arc::new(QTensor::quantize(&whole, GgmlDType::BF16)?))),
                    "tf16" => return Ok(QMatMul::TensorF16(whole.to_dtype(candle_core::DType::F16)?)),
                    _ => panic!(),
                }
            }
        }
        if wanted && fits {
            let quantised = QTensor::quantize(&whole, GgmlDType::Q8_0)?;
            return Ok(QMatMul::QTensor(Arc::new(quantised)));
        }
        Ok(QMatMul::Tensor(whole))
    }

    fn read(&mut self, name: &str) -> Result<QTensor> {
        self.file
            .content()
            .tensor(&mut self.handle, name, &Device::Cpu)
    }
}
