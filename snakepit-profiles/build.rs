//! Lists the Python sources to embed. The list cannot go stale: it is what lies in `src/boot/python` at build time.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("src/boot/python")
        .canonicalize()?;
    let mut files = Vec::new();
    collect(&root, &root, &mut files)?;
    files.sort();
    let mut code = String::from("&[\n");
    for name in &files {
        let path = root.join(name);
        let path = path.to_str().expect("cargo needs that too");
        writeln!(code, "    ({name:?}, include_str!({path:?})),").expect("a string takes all");
    }
    code.push(']');
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("bundle.rs"), code)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "__pycache__") {
                collect(root, &path, files)?;
            }
        } else if path
            .extension()
            .is_some_and(|kind| kind == "py" || kind == "typed")
        {
            println!("cargo::rerun-if-changed={}", path.display());
            let name = path.strip_prefix(root).expect("it is below");
            files.push(name.to_str().expect("our own names are UTF-8").to_owned());
        }
    }
    Ok(())
}
