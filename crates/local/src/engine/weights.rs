//! Reading tensors and multiplying by them.
//!
//! Files come in many quantisations, and candle multiplies well by few of them. So every matrix is
//! turned into plain numbers first, which is exact, and then kept as Q8_0 or as it is.
//!
//! candle's quantised products also round what they multiply *by* to eight bits. A small model
//! does not bear that ("The capital of France is L'Étoile"), so it is avoided: see [`Matrix`].

use std::fs::File;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QTensor, QuantizedType};
use candle_core::{CpuStorage, Device, Error, Result, Tensor};

use super::error::LoadProblem;
use super::gguf::ModelFile;

/// How weights are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum WeightFormat {
    /// Eight bits each in blocks of 32: a quarter of the memory, and faster answers.
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

/// From this many rows on, a product with all weights turned into plain numbers is the faster.
const MANY_ROWS: usize = 12;

/// A matrix of weights, one row per output. Copies share the weights.
#[derive(Clone)]
pub(crate) enum Matrix {
    /// Plain numbers.
    F32(Tensor),
    /// Blocks of eight-bit numbers.
    Q8_0 {
        blocks: Arc<dyn QuantizedType>,
        rows: usize,
        columns: usize,
    },
}

impl Matrix {
    fn new(whole: Tensor, format: WeightFormat) -> Result<Self> {
        let (rows, columns) = whole.dims2()?;
        let fits = columns % GgmlDType::Q8_0.block_size() == 0;
        if format == WeightFormat::F32 || !fits {
            return Ok(Self::F32(whole));
        }
        let mut blocks = GgmlDType::Q8_0.cpu_zeros(rows * columns);
        blocks.from_float(&whole.flatten_all()?.to_vec1::<f32>()?);
        Ok(Self::Q8_0 {
            blocks: blocks.into(),
            rows,
            columns,
        })
    }

    /// Rows of this matrix by number, of shape (numbers, columns): what embeds tokens.
    pub(crate) fn pick(&self, numbers: &[u32]) -> Result<Tensor> {
        match self {
            Self::F32(weights) => weights.index_select(&Tensor::new(numbers, &Device::Cpu)?, 0),
            Self::Q8_0 {
                blocks,
                rows,
                columns,
            } => {
                let picked = plain(blocks.embedding(numbers, *rows, *columns)?)?;
                Tensor::from_vec(picked, (numbers.len(), *columns), &Device::Cpu)
            }
        }
    }

    /// The product of `states`, of shape (tokens, columns), with every row of this matrix.
    pub(crate) fn multiply(&self, states: &Tensor) -> Result<Tensor> {
        match self {
            Self::F32(weights) => states.matmul(&weights.t()?),
            Self::Q8_0 {
                blocks,
                rows,
                columns,
            } => {
                let tokens = states.dim(0)?;
                if tokens < MANY_ROWS {
                    return multiply_few(blocks.as_ref(), (tokens, *columns, *rows), states);
                }
                let weights = plain(blocks.dequantize(rows * columns)?)?;
                let weights = Tensor::from_vec(weights, (*rows, *columns), &Device::Cpu)?;
                states.matmul(&weights.t()?)
            }
        }
    }
}

/// A product in integers, exact to sixteen bits.
///
/// The kernel rounds states to eight bits. What they lose by it is small, and is multiplied in the
/// same pass as rows of its own: the weights, which are what takes the time, are read once.
fn multiply_few(
    blocks: &dyn QuantizedType,
    (tokens, columns, rows): (usize, usize, usize),
    states: &Tensor,
) -> Result<Tensor> {
    let exact = states.flatten_all()?.to_vec1::<f32>()?;
    let mut rounded = GgmlDType::Q8_0.cpu_zeros(exact.len());
    rounded.from_float(&exact);
    let mut parts = plain(rounded.dequantize(exact.len())?)?;
    for index in 0..exact.len() {
        parts.push(exact[index] - parts[index]);
    }
    let mut products = vec![0.0; 2 * tokens * rows];
    blocks.matmul_t((2 * tokens, columns, rows), &parts, &mut products)?;
    let products = Tensor::from_vec(products, (2 * tokens, rows), &Device::Cpu)?;
    products.narrow(0, 0, tokens)? + products.narrow(0, tokens, tokens)?
}

fn plain(storage: CpuStorage) -> Result<Vec<f32>> {
    match storage {
        CpuStorage::F32(numbers) => Ok(numbers),
        _ => Err(Error::Msg("weights are not of 32 bits".into())),
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
    pub(crate) fn matrix(&mut self, names: &[&str]) -> Result<Matrix> {
        let parts = names
            .iter()
            .map(|name| self.read(name)?.dequantize(&Device::Cpu))
            .collect::<Result<Vec<_>>>()?;
        Matrix::new(Tensor::cat(&parts, 0)?, self.format)
    }

    fn read(&mut self, name: &str) -> Result<QTensor> {
        self.file
            .content()
            .tensor(&mut self.handle, name, &Device::Cpu)
    }
}
