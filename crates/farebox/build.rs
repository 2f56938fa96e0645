//! Chooses the console's files: `console/dist` if it was built, else a page that says it was not,
//! so that `cargo build` works without Node.js.

use std::path::Path;

fn main() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dist = crate_folder.join("../../console/dist");
    // Cargo runs this script again on every build when a watched folder is not there. A checkout
    // that cannot be written to merely builds more often.
    let _ = std::fs::create_dir_all(&dist);
    let built = dist.join("index.html").is_file();
    let folder = if built {
        dist.clone()
    } else {
        crate_folder.join("placeholder")
    };
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=placeholder");
    println!("cargo::rustc-env=CONSOLE_FOLDER={}", folder.display());
}
