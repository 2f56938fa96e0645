//! Model files that are fine, and those that are not.

use std::num::NonZero;
use std::path::Path;

use farebox_local::engine::{Engine, EngineOptions, LoadError, LoadProblem, WeightFormat};

use crate::synthetic::{self, Variant, WIDTH};

fn load(path: &Path, weights: WeightFormat) -> Result<Engine, LoadError> {
    let options = EngineOptions {
        weights,
        context_tokens: 128,
    };
    Engine::load(path, options)
}

/// Why the file of a variant is refused.
fn problem(variant: &Variant) -> LoadProblem {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    synthetic::write(&path, variant);
    let Err(error) = load(&path, WeightFormat::Packed) else {
        panic!("the file was accepted");
    };
    assert!(error.to_string().contains("model.gguf: "));
    *error.problem
}

/// Why a file with these bytes is refused.
fn problem_of_bytes(bytes: &[u8]) -> LoadProblem {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    match load(file.path(), WeightFormat::Packed) {
        Ok(_) => panic!("the file was accepted"),
        Err(error) => *error.problem,
    }
}

#[test]
fn a_good_file_is_described_and_capped_to_the_context_asked_for() {
    let file = tempfile::NamedTempFile::new().unwrap();
    synthetic::write(file.path(), &Variant::default());
    for weights in [WeightFormat::Packed, WeightFormat::F32] {
        let engine = load(file.path(), weights).unwrap();
        assert_eq!(engine.context_tokens(), 128);
        assert_eq!(engine.embedding_width(), WIDTH);
        assert_eq!(engine.vocabulary_size(), synthetic::TOKENS);
        assert_eq!(engine.weights(), weights);
        let mut session = engine.session().unwrap();
        let scores = engine
            .logits(&mut session, &[97], NonZero::<usize>::MIN)
            .unwrap();
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        assert_eq!(best, Some(98));
    }
}

#[test]
fn a_missing_file_tells_how_to_get_one() {
    let Err(error) = load(Path::new("/nowhere/model.gguf"), WeightFormat::Packed) else {
        panic!("nothing was loaded");
    };
    assert!(matches!(*error.problem, LoadProblem::Missing));
    assert!(error.to_string().contains("cargo xtask model"), "{error}");
}

#[test]
fn files_of_other_kinds_are_refused() {
    assert!(matches!(problem_of_bytes(b""), LoadProblem::NotGguf));
    assert!(matches!(
        problem_of_bytes(b"PK\x03\x04 a zip"),
        LoadProblem::NotGguf
    ));
    assert!(matches!(problem_of_bytes(b"GGUF"), LoadProblem::Header(_)));
    let other = problem(&Variant {
        architecture: "qwen2",
        ..Variant::default()
    });
    assert!(matches!(other, LoadProblem::Architecture(found) if found == "qwen2"));
}

#[test]
fn a_file_cut_short_is_recognised_wherever_it_was_cut() {
    let file = tempfile::NamedTempFile::new().unwrap();
    synthetic::write(file.path(), &Variant::default());
    let whole = std::fs::read(file.path()).unwrap();
    let cut = problem_of_bytes(&whole[..whole.len() - 1000]);
    let LoadProblem::Truncated {
        expected_bytes,
        actual_bytes,
    } = cut
    else {
        panic!("{cut}");
    };
    assert!(expected_bytes > actual_bytes);
    assert_eq!(actual_bytes, whole.len() as u64 - 1000);
    for length in [10, 100, 3000] {
        let cut = problem_of_bytes(&whole[..length]);
        assert!(matches!(cut, LoadProblem::Header(_)), "{length}: {cut}");
    }
}

#[test]
fn llamas_of_an_unknown_kind_are_refused_and_not_run_wrongly() {
    let table = [
        Variant {
            extra_tensor: Some("blk.0.attn_q.bias"),
            ..Variant::default()
        },
        Variant {
            pre_tokenizer: "unheard-of",
            ..Variant::default()
        },
    ];
    for variant in table {
        let problem = problem(&variant);
        assert!(matches!(problem, LoadProblem::Unsupported(_)), "{problem}");
    }
    for missing in [
        "blk.1.ffn_down.weight",
        "output_norm.weight",
        "token_embd.weight",
    ] {
        let problem = problem(&Variant {
            missing_tensor: Some(missing),
            ..Variant::default()
        });
        assert!(matches!(problem, LoadProblem::Tensor(_)), "{problem}");
        assert!(problem.to_string().contains(missing), "{problem}");
    }
}
